"""Putting the next state of an index into its place, in one step of the file system."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from llamaproof.errors import LlamaproofError

# Source: linux/fcntl.h and linux/fs.h.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2

_HINT = (
    "keep the index in a folder on a local file system (ext4, xfs, btrfs, tmpfs) that is no mount "
    "point, and copy it from there to where it is served"
)


@contextlib.contextmanager
def sole_use(index: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Keep other releases away from an index; waits until they are done.

    The lock lies beside the index, and ends with the process that holds it.
    """
    index.parent.mkdir(parents=True, exist_ok=True)
    with _beside(index, "lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"another release is using {index.name}; waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def next_folder(index: Path) -> Path:
    """Where the next state of an index is built: on the same file system."""
    return _beside(index, "next")


def put_in_place(stage: Path, index: Path) -> None:
    """Have `stage` be the index. What was the index lies at `stage` afterwards.

    Raises:
        LlamaproofError: the file system cannot do it in one step; nothing was changed.
    """
    try:
        if index.exists():
            _exchange(stage, index)
        else:
            stage.rename(index)
    except OSError as error:
        raise LlamaproofError(
            f"the new index cannot take the place of the old one: {error.strerror or error}",
            where=index,
            hint=_HINT,
        ) from error


def _exchange(one: Path, other: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    exchange = getattr(libc, "renameat2", None)
    if exchange is None:
        raise OSError(errno.ENOSYS, "this system's C library has no renameat2")
    done = exchange(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE)
    )
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))


def _beside(index: Path, what: str) -> Path:
    return index.parent / f".{index.name}.{what}"
