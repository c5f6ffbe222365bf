"""How a command ends, whatever ends it."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from llamaproof.errors import BadInput, DefectFound
from llamaproof.exits import INTERRUPTED, MAKE_ROOM, exit_code_of


def raising(error: BaseException) -> int:
    def command() -> int:
        raise error

    return exit_code_of(command, interrupted="ended; run it again")


def test_a_command_that_ends_by_itself_keeps_its_code() -> None:
    assert exit_code_of(lambda: 1) == 1


def test_our_own_errors_say_what_they_stand_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(BadInput("no wheel", where="dist", hint="build one")) == 2
    assert capsys.readouterr().err == "error: no wheel\n  where: dist\n  next:  build one\n"
    assert raising(DefectFound("it is wrong")) == 1


def test_a_full_disk_is_told_with_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(OSError(errno.ENOSPC, "No space left on device", "some/file")) == 2
    said = capsys.readouterr().err
    assert "some/file" in said
    assert MAKE_ROOM in said
    assert raising(OSError(errno.EACCES, "Permission denied", "some/file")) == 2
    assert MAKE_ROOM not in capsys.readouterr().err


def test_a_fault_of_our_own_is_no_defect_of_what_was_examined(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert raising(ZeroDivisionError("division by zero")) == 2
    said = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in said
    assert "nothing was decided" in said


def test_a_package_that_is_not_installed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(ModuleNotFoundError("No module named 'clang'", name="clang.cindex")) == 2
    said = capsys.readouterr().err
    assert "imported as clang\n" in said and "Traceback" not in said
    assert raising(ModuleNotFoundError("no such room", name="llamaproof.no_room")) == 2
    assert "nothing was decided" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_and_a_termination_end_alike(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)

    def command() -> int:
        os.kill(os.getpid(), number)
        signal.pause()
        return 0

    assert exit_code_of(command, interrupted="ended; run it again") == INTERRUPTED
    assert capsys.readouterr().err == "ended; run it again\n"
    assert signal.getsignal(number) == before
