"""The one way llamaproof starts another program."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llamaproof.errors import CommandFailed
from llamaproof.process import ask, beside, describe_status, run


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-u", "-c", code)


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def test_lines_come_one_by_one_in_text_and_are_kept() -> None:
    seen: list[str] = []
    done = run(python("print('one'); print('two')"), on_line=seen.append)
    assert seen == ["one", "two"] == list(done.lines)
    assert done.returncode == 0


def test_bytes_that_are_no_text_do_not_end_the_run() -> None:
    done = run(python(r"import sys; sys.stdout.buffer.write(b'\xff\xfe ok\n')"))
    assert done.lines[0].endswith(" ok")


def test_a_failure_names_the_command_its_status_and_its_last_words() -> None:
    with pytest.raises(CommandFailed) as caught:
        run(python("print('the reason'); raise SystemExit(3)"))
    assert caught.value.returncode == 3
    assert "exit status 3" in str(caught.value)
    assert "the reason" in str(caught.value)


def test_a_program_that_is_not_there_is_named() -> None:
    for start in (run, ask):
        with pytest.raises(CommandFailed, match="cannot start no-such-program") as caught:
            start(("no-such-program",))
        assert "install no-such-program" in caught.value.hint


def test_silence_ends_the_program() -> None:
    with pytest.raises(CommandFailed, match="printed nothing"):
        run(python("import time; time.sleep(60)"), silence_limit_s=0.3)


GRANDCHILD = (
    "import subprocess, sys, time;"
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print(p.pid, flush=True); time.sleep(60)"
)


def test_an_error_while_reading_ends_the_whole_process_group() -> None:
    pids: list[int] = []

    def fail(line: str) -> None:
        pids.append(int(line))
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        run(python(GRANDCHILD), on_line=fail)
    assert wait_until_gone(pids[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_every_child(number: signal.Signals) -> None:
    code = (
        "import sys;"
        "from llamaproof.process import run, termination_as_interrupt\n"
        "with termination_as_interrupt():\n"
        f"    run((sys.executable, '-u', '-c', {GRANDCHILD!r}),"
        " on_line=lambda line: print(line, flush=True))\n"
    )
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "python")}
    parent = subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True, env=env)
    assert parent.stdout is not None
    grandchild = int(parent.stdout.readline())
    parent.send_signal(number)
    assert parent.wait(20) != 0
    parent.stdout.close()
    assert wait_until_gone(grandchild)


def test_a_signal_is_named() -> None:
    assert "SIGABRT" in describe_status(-signal.SIGABRT)


def test_bytes_are_answered_with_bytes_and_errors_kept_apart() -> None:
    code = (
        "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1]);"
        r"sys.stderr.buffer.write(b'a \xff word'); raise SystemExit(3)"
    )
    given = bytes(range(256)) * 1000
    answer = ask(python(code), stdin=given)
    assert answer.stdout == given[::-1]
    assert answer.stderr == "a \ufffd word"
    assert answer.returncode == 3


def test_a_program_beside_is_given_time_to_end_by_itself(tmp_path: Path) -> None:
    with (tmp_path / "said").open("w+b") as said:
        with beside(python("import time; time.sleep(0.2); print('done')"), output=said) as child:
            assert child.ended() is None
        assert child.ended() == 0
        said.seek(0)
        assert said.read() == b"done\n"


@pytest.mark.parametrize("failing", [True, False])
def test_a_program_beside_that_goes_on_is_ended_with_its_group(
    tmp_path: Path, failing: bool
) -> None:
    def leave() -> None:
        if failing:
            raise RuntimeError("left by an error")

    with (tmp_path / "said").open("w+b") as said:
        with (
            contextlib.suppress(RuntimeError),
            beside(python(GRANDCHILD), output=said, grace_s=0.2) as child,
        ):
            while not (tmp_path / "said").read_text().strip():
                time.sleep(0.05)
            leave()
        assert child.ended() is not None
        assert wait_until_gone(int((tmp_path / "said").read_text()))


def test_a_program_beside_finds_the_descriptors_it_is_given(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    code = f"import os; os.write({write_end}, b'here')"
    with (
        (tmp_path / "said").open("w+b") as said,
        beside(python(code), output=said, descriptors=(write_end,)),
    ):
        pass
    os.close(write_end)
    assert os.read(read_end, 100) == b"here"
    os.close(read_end)
