"""Two builds in one checkout share the tree and the objects: the second waits for the first."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from build_tools.sole_use import sole_use
from build_tools.wheel import build
from build_tools.wheel.inputs import Wanted


class Begun(Exception):
    """The build has begun."""


def test_a_second_build_begins_when_the_first_has_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = threading.Event()

    def take_inputs(*_: Any) -> Any:
        begun.set()
        raise Begun

    monkeypatch.setattr(build, "take_inputs", take_inputs)

    def second() -> None:
        with contextlib.suppress(Begun):
            build.build_wheel(tmp_path, cast(Wanted, None), jobs=1, cached=False, out=Path("dist"))

    with sole_use(tmp_path / "build" / "compile", lambda _: None):
        thread = threading.Thread(target=second)
        thread.start()
        assert not begun.wait(0.5)
    assert begun.wait(30)
    thread.join()
    assert "another run is using compile; waiting for it" in capsys.readouterr().out
