"""What to do next where git runs into a full disk."""

from __future__ import annotations

from llamaproof.exits import MAKE_ROOM

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
