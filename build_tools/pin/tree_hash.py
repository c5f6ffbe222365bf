"""The hash of a source tree.

One line for each file, sorted by the bytes of its path: a letter for its kind (`-` a file, `x` an
executable file, `l` a symbolic link), the sha256 of its content (of its target, for a link), its
path, and a NUL. The tree's hash is the sha256 of those lines. Times, owners, other permissions and
empty folders do not count, nor does anything called `.git`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DROPPED_NAME = ".git"

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class TreeEntry:
    """One file of a tree: its path, `-`, `x` or `l`, and the sha256 of its content."""

    path: str
    kind: str
    sha256: str


def combine(entries: Iterable[TreeEntry]) -> str:
    """The tree's hash from those of its files."""
    digest = hashlib.sha256()
    for entry in sorted(entries, key=lambda e: os.fsencode(e.path)):
        digest.update(f"{entry.kind} {entry.sha256} ".encode() + os.fsencode(entry.path) + b"\0")
    return digest.hexdigest()


def entries_of_folder(folder: Path) -> tuple[TreeEntry, ...]:
    """Every file below a folder.

    Raises:
        OSError: something could not be read.
        ValueError: something is neither a file, a folder nor a link.
    """
    found: list[TreeEntry] = []
    for root, folders, files in os.walk(folder, onerror=_raise):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        folders[:] = sorted(set(folders) - set(links) - {DROPPED_NAME})
        found += [
            _entry(folder, Path(root) / name) for name in files + links if name != DROPPED_NAME
        ]
    return tuple(sorted(found, key=lambda e: os.fsencode(e.path)))


def hash_folder(folder: Path) -> str:
    """The hash of the tree that a folder holds."""
    return combine(entries_of_folder(folder))


def _entry(folder: Path, path: Path) -> TreeEntry:
    name = path.relative_to(folder).as_posix()
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        target = hashlib.sha256(os.fsencode(path.readlink()))
        return TreeEntry(path=name, kind="l", sha256=target.hexdigest())
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path} is neither a file, a folder nor a link")
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    kind = "x" if mode & stat.S_IXUSR else "-"
    return TreeEntry(path=name, kind=kind, sha256=digest.hexdigest())


def _raise(error: OSError) -> None:
    raise error
