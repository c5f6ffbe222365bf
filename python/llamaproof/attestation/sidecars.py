"""The signed files beside a wheel: their names, and reading and writing them."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from llamaproof.errors import BadInput
from llamaproof.files import write_whole

PROVENANCE_SUFFIX = ".provenance.json"
TESTS_SUFFIX = ".tests.json"
SIGNATURE_SUFFIX = ".sig"
SIGSTORE_SUFFIX = ".sigstore.json"
METADATA_SUFFIX = ".metadata"

# Signed files are small; evidence holds every cell of every card.
LARGEST_SIGNED_BYTES = 16 * 1024 * 1024
LARGEST_EVIDENCE_BYTES = 512 * 1024 * 1024


def beside(wheel: Path, suffix: str) -> Path:
    """The file of a wheel that ends so."""
    return wheel.with_name(wheel.name + suffix)


def require_plain_file(path: Path, largest: int | None = None) -> None:
    """See that a path is a file of its own, and not too large.

    What a link leads to can be another file a moment later, and a pipe would never end.

    Raises:
        BadInput: it is something else.
    """
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise BadInput(
            f"{path.name} is a symbolic link", where=path, hint="give the file itself, or a copy"
        )
    if not stat.S_ISREG(status.st_mode):
        raise BadInput(f"{path.name} is not a file", where=path)
    if largest is not None and status.st_size > largest:
        raise BadInput(
            f"{path.name} has {status.st_size} bytes: more than {largest} are not read", where=path
        )


def read_signed(path: Path) -> bytes | None:
    """The bytes of a signed file; None where there is none.

    Raises:
        BadInput: it is a link, no file, or too large.
    """
    if not os.path.lexists(path):
        return None
    require_plain_file(path, LARGEST_SIGNED_BYTES)
    return path.read_bytes()


def write_all(files: Mapping[Path, bytes]) -> tuple[Path, ...]:
    """Write files so that either all are new, or all are as they were.

    Raises:
        LlamaproofError: one cannot be written; those before it were put back.
    """
    before = {path: read_signed(path) for path in files}
    written: list[Path] = []
    try:
        for path, data in files.items():
            written.append(path)
            write_whole(path, data)
    except BaseException:
        for path in written:
            _put_back(path, before[path])
        raise
    return tuple(files)


def _put_back(path: Path, data: bytes | None) -> None:
    """As good as can be: the error that led here is the one to be told."""
    with contextlib.suppress(OSError, BadInput):
        if data is None:
            path.unlink(missing_ok=True)
        elif path.read_bytes() != data:
            write_whole(path, data)
