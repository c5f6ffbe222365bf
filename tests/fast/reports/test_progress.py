"""How far a run is: lines where there is no terminal, a bar where there is one."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path

import pytest

import llamaproof
from llamaproof.process import beside
from llamaproof.reports.progress import progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that have passed, as the module sees them."""
    now = [100.0]
    monkeypatch.setattr("llamaproof.reports.progress.time.monotonic", lambda: now[0])
    return now


def test_a_line_now_and_then_says_what_how_far_and_how_long(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("some.whl", 40) as tell:
        tell(1, "one")
        clock[0] += 11
        tell(10, "ten")
        clock[0] += 5
        tell(20, "twenty")
        tell(40)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "some.whl: 10/40, about 33 s left  ten\nsome.whl: 40/40\n"


def test_what_has_no_known_total_is_counted(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("model.gguf, phase") as tell:
        clock[0] += 11
        tell(2, "load")
        clock[0] += 11
        tell(1, "prefill", total=4)
    assert capsys.readouterr().err == (
        "model.gguf, phase: 2  load\nmodel.gguf, phase: 1/4, about 66 s left  prefill\n"
    )


CODE = """
from llamaproof.reports.progress import progress
with progress("some.whl", 4) as tell:
    print("a result")
    tell(3, "[three]")
"""


def test_a_terminal_gets_a_bar_and_a_pipe_what_is_printed(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    code = f"import os, sys; os.dup2({theirs}, 2); sys.stderr = open(2, 'w', closefd=False)\n"
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(llamaproof.__file__).parents[1]),
        "TERM": "xterm",
        "COLUMNS": "120",
    }
    with (tmp_path / "said").open("w+b") as said:
        with beside(
            (sys.executable, "-c", code + CODE), output=said, env=env, descriptors=(theirs,)
        ) as child:
            assert child.ended(within_s=30) == 0
        said.seek(0)
        assert said.read() == b"a result\n"
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "some.whl" in shown and "[three]" in shown and "3/4" in shown
