"""What a command's end means to whoever called it: the one way from an error to an exit code."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Callable
from typing import TypeGuard

from llamaproof.errors import NOT_CHECKED, LlamaproofError
from llamaproof.process import termination_as_interrupt

INTERRUPTED = 130
MAKE_ROOM = "make room on the disk, then run it again; nothing is half-done"

_OURS = ("llamaproof", "build_tools")
# A quota, or a limit on a file's size, is as good as a full disk.
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def exit_code_of(command: Callable[[], int], *, interrupted: str = "interrupted") -> int:
    """Run a command to its exit code; what ended it is said on standard error.

    SIGTERM and SIGHUP end it as an interrupt does, and its children with it.

    Args:
        interrupted: what to say of an interrupt.
    """
    try:
        with termination_as_interrupt():
            return int(command())
    except LlamaproofError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        print(f"error: {as_error(error)}", file=sys.stderr)
        return NOT_CHECKED
    except Exception as error:
        # Python's own exit code for this is 1, which would say that a defect was found.
        if _lacks_a_package(error):
            print(f"error: {_lacking(error)}", file=sys.stderr)
            return NOT_CHECKED
        traceback.print_exc()
        print("error: this is a fault of the tool's own: nothing was decided", file=sys.stderr)
        return NOT_CHECKED


def as_error(error: OSError) -> LlamaproofError:
    """An error of the operating system's in the form of our own."""
    return LlamaproofError(
        error.strerror or str(error),
        where=error.filename or "",
        hint=MAKE_ROOM if error.errno in _FULL_DISK else "",
    )


def _lacks_a_package(error: Exception) -> TypeGuard[ModuleNotFoundError]:
    """Whether it was raised for want of a package that is not one of this project's own."""
    return isinstance(error, ModuleNotFoundError) and _package(error) not in (*_OURS, "")


def _lacking(error: ModuleNotFoundError) -> LlamaproofError:
    return LlamaproofError(
        f"this needs the Python package that is imported as {_package(error)}",
        hint="install it beside llamaproof, or llamaproof with all that it depends on",
    )


def _package(error: ModuleNotFoundError) -> str:
    return (error.name or "").partition(".")[0]
