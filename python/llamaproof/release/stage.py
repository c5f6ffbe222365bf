"""The next state of an index, built beside it: everything is there, or it never takes its place.

What is already right in it is kept: a run that was interrupted is gone on with.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from llamaproof.errors import DefectFound, LlamaproofError
from llamaproof.exits import as_error
from llamaproof.files import sha256_of, write_whole

_BLOCK = 1 << 20


class Stage:
    """A folder that becomes an index.

    No file in it is changed where it lies: it may be the same file as one of the index that is
    served. Each is put there whole, in place of what was there.
    """

    def __init__(self, folder: Path) -> None:
        """Begin, or go on, in a folder."""
        self.folder = folder
        self._wanted: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """Where a file of the index lies in it, by its path below the root."""
        return self.folder / name

    def link(self, name: str, source: Path) -> None:
        """Have a file of the index that is served: the same one, with its time."""
        target = self._wanted_path(name)
        if target.exists() and target.samefile(source):
            return
        with _scratch_beside(target) as scratch:
            scratch.unlink()
            os.link(source, scratch)
            scratch.replace(target)

    def copy(self, name: str, source: Path, sha256: str) -> None:
        """Have a copy of a file.

        Raises:
            DefectFound: it has not the hash that it had when it was examined.
            LlamaproofError: it cannot be written.
        """
        target = self._wanted_path(name)
        if target.is_file() and sha256_of(target) == sha256:
            return
        with _scratch_beside(target) as scratch:
            if _copied(source, scratch) != sha256:
                raise DefectFound(
                    f"{source.name} changed while it was being published",
                    where=source,
                    hint="let no other program write there, and run it again",
                )
            scratch.chmod(0o644)
            scratch.replace(target)

    def write(self, name: str, content: bytes) -> None:
        """Have a file of this content; one that has it already is kept, with its time.

        Raises:
            LlamaproofError: it cannot be written.
        """
        target = self._wanted_path(name)
        if not target.is_file() or target.read_bytes() != content:
            write_whole(target, content)

    def keep(self, name: str) -> None:
        """Keep a file that something else put there."""
        self._wanted.add(name)

    def drop_the_rest(self) -> None:
        """Remove what is in the folder, and is not wanted."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            name = path.relative_to(self.folder).as_posix()
            if path.is_dir() and not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.rmdir()  # one with something in it stays
            elif name not in self._wanted:
                path.unlink()

    def sync(self) -> None:
        """Have all of it on the disk, also after a power cut."""
        for path in (self.folder, *self.folder.rglob("*")):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def is_same_as(self, index: Path) -> bool:
        """Whether the index has just these files, byte for byte."""
        if not index.is_dir():
            return False
        theirs = {p.relative_to(index).as_posix() for p in index.rglob("*") if p.is_file()}
        return theirs == self._wanted and all(
            _same(self.path(name), index / name) for name in sorted(self._wanted)
        )

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)

    def _wanted_path(self, name: str) -> Path:
        self._wanted.add(name)
        target = self.path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def _same(one: Path, other: Path) -> bool:
    return one.samefile(other) or one.read_bytes() == other.read_bytes()


@contextlib.contextmanager
def _scratch_beside(target: Path) -> Iterator[Path]:
    """A file beside a target, which is gone afterwards unless it took the target's place."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
    os.close(descriptor)
    scratch = Path(name)
    try:
        yield scratch
    except OSError as error:
        raise LlamaproofError(
            f"cannot write {target.name}: {error.strerror or error}",
            where=target,
            hint=as_error(error).hint or "keep the index on a local file system, which has links",
        ) from error
    finally:
        scratch.unlink(missing_ok=True)


def _copied(source: Path, target: Path) -> str:
    """Copy a file's bytes; returns their SHA-256, in hex."""
    digest = hashlib.sha256()
    with source.open("rb") as incoming, target.open("wb") as outgoing:
        while block := incoming.read(_BLOCK):
            digest.update(block)
            outgoing.write(block)
    return digest.hexdigest()
