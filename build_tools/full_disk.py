"""How a full disk is told, whoever runs into it."""

from __future__ import annotations

import errno

from llamaproof.errors import LlamaproofError

MAKE_ROOM = "make room on the disk, then run it again; nothing is half-done"

# A quota, or a limit on a file's size, is as good as a full disk.
_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# git's words for a file that it could not write.
_WORDS_OF_GIT = (
    "No space left on device",
    "Out of diskspace",
    "unable to write",
    "failed to write",
    "SIGXFSZ",
)


def hint_for(words: str) -> str:
    """What to do next when git's words mean a full disk; else nothing."""
    return MAKE_ROOM if any(known in words for known in _WORDS_OF_GIT) else ""


def as_error(error: OSError) -> LlamaproofError:
    """An error of the operating system's in the form of our own."""
    return LlamaproofError(
        error.strerror or str(error),
        where=error.filename or "",
        hint=MAKE_ROOM if error.errno in _ERRNOS else "",
    )
