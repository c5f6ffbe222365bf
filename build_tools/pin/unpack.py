"""A checked sdist on its way into a folder: nothing of it leads out of there."""

from __future__ import annotations

import contextlib
import gzip
import re
import shutil
import stat
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from build_tools.pin.definition import Pin
from build_tools.pin.tree_hash import DROPPED_NAME
from build_tools.progress import Report
from llamaproof.errors import BadInput, LlamaproofError

# actions/checkout leaves the submodule's repository here, and llama-cpp-python's sdists carry it.
_VENDORED_HEAD = PurePosixPath(".git/modules/vendor/llama.cpp/HEAD")

_REPORT_EVERY = 1000

_CORRUPT = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, UnicodeDecodeError)


def unpack_sdist(pin: Pin, archive: Path, folder: Path, report: Report) -> None:
    """Unpack a checked archive into an empty folder, without its top folder and anything `.git`.

    Raises:
        BadInput: the archive is corrupt, has a member that would leave the folder or is of no
            kind that a source needs, or vendors another llama.cpp commit than its pin says.
    """
    report(f"pin: unpacking {archive.name}")
    unpacker = _Unpacker(archive=archive, top=pin.top_folder, folder=folder)
    for count, _ in enumerate(unpacker.unpack(), start=1):
        if count % _REPORT_EVERY == 0:
            report(f"pin: {count} files unpacked")
    commit = unpacker.vendored_commit
    if commit is not None and commit != pin.llama_cpp_commit:
        raise BadInput(
            f"{archive.name} vendors llama.cpp {commit}, "
            f"but {pin.path.name} says {pin.llama_cpp_commit}",
            where=archive,
            hint="correct llama_cpp.commit in the pin",
        )


def vendored_commit(archive: Path) -> str | None:
    """The llama.cpp commit that a checked archive carries the repository of; None if it does not.

    Raises:
        BadInput: the archive is corrupt.
    """
    with _readable(archive) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts
            if PurePosixPath(*parts[1:]) == _VENDORED_HEAD and member.isfile():
                return _commit_in(tar, member)
    return None


class _Unpacker:
    """One archive on its way into one folder."""

    def __init__(self, *, archive: Path, top: str, folder: Path) -> None:
        self.archive = archive
        self.top = top
        self.folder = folder
        self.vendored_commit: str | None = None

    def unpack(self) -> Iterator[PurePosixPath]:
        """Write each member in turn and yield its path."""
        with _readable(self.archive) as tar:
            for member in tar:
                path = self._inside(member, member.name)
                if path is None:
                    continue
                if path == _VENDORED_HEAD and member.isfile():
                    self.vendored_commit = _commit_in(tar, member)
                if DROPPED_NAME in path.parts:
                    continue
                self._write(tar, member, path)
                yield path

    def _inside(self, member: tarfile.TarInfo, name: str) -> PurePosixPath | None:
        """A name's path below the top folder; None for the top folder itself."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name:
            raise self._refused(member, f"its path {name!r} would leave the folder")
        if not path.parts or path.parts[0] != self.top:
            raise self._refused(member, f"its path {name!r} is not below {self.top}/")
        return PurePosixPath(*path.parts[1:]) if len(path.parts) > 1 else None

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: PurePosixPath) -> None:
        target = self.folder / path
        if member.isdir():
            self._make_folder(member, target)
            return
        self._make_folder(member, target.parent)
        if target.exists() or target.is_symlink():
            raise self._refused(member, "another member has its path already")
        if member.issym():
            self._write_link(member, path, target)
        elif member.islnk():
            self._copy_linked(member, target)
        elif member.isreg():
            self._write_file(tar, member, target)
        else:
            raise self._refused(member, f"it is a special file (type {member.type!r})")

    def _make_folder(self, member: tarfile.TarInfo, target: Path) -> None:
        # A folder may not be reached through a link: links are checked by their text alone.
        place = self.folder
        for part in target.relative_to(self.folder).parts:
            place /= part
            if place.is_symlink() or (place.exists() and not place.is_dir()):
                raise self._refused(member, f"{place.name} on its way is no folder")
            place.mkdir(exist_ok=True)

    def _write_link(self, member: tarfile.TarInfo, path: PurePosixPath, target: Path) -> None:
        wanted = PurePosixPath(member.linkname)
        ups = sum(part == ".." for part in wanted.parts)
        # `..` after a name could climb out through another link, so it may stand in front alone.
        climbs = ".." in wanted.parts[ups:] or ups > len(path.parts) - 1
        if wanted.is_absolute() or climbs or not wanted.parts or DROPPED_NAME in wanted.parts:
            raise self._refused(member, f"its link {member.linkname!r} would leave the folder")
        target.symlink_to(member.linkname)

    def _copy_linked(self, member: tarfile.TarInfo, target: Path) -> None:
        linked = self._inside(member, member.linkname)
        source = self.folder / linked if linked is not None else self.folder
        if DROPPED_NAME in source.parts or source.is_symlink() or not source.is_file():
            raise self._refused(member, f"its link {member.linkname!r} names no file before it")
        if not source.resolve().is_relative_to(self.folder.resolve()):
            raise self._refused(member, f"its link {member.linkname!r} would leave the folder")
        shutil.copy(source, target)

    def _write_file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
        source = tar.extractfile(member)
        if source is None:
            raise self._refused(member, "it has no content")
        with source, target.open("xb") as stream:
            shutil.copyfileobj(source, stream)
        if target.stat().st_size != member.size:
            raise self._refused(member, f"it ends after {target.stat().st_size} bytes")
        target.chmod(0o755 if member.mode & stat.S_IXUSR else 0o644)

    def _refused(self, member: tarfile.TarInfo, why: str) -> LlamaproofError:
        return BadInput(
            f"{self.archive.name}: member {member.name!r} is refused: {why}",
            where=self.archive,
            hint="nothing of it was kept; this is no archive to build from",
        )


@contextlib.contextmanager
def _readable(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive, "r:gz") as tar:
            yield tar
    except _CORRUPT as error:
        raise BadInput(
            f"{archive.name} is corrupt: {error}", where=archive, hint="fetch it again"
        ) from error


def _commit_in(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str | None:
    stream = tar.extractfile(member)
    text = stream.read(64).decode("ascii", "replace").strip() if stream is not None else ""
    return text if re.fullmatch(r"[0-9a-f]{40}", text) else None
