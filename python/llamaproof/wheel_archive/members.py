"""The files of a wheel, packed or unpacked, read in the same way."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from llamaproof.errors import BadInput

_HINT = "get the wheel again from a source you trust"
_LARGEST_READ_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Members:
    """The files of a wheel.

    Attributes:
        names: of all files, as the archive writes them; one that is there twice stands twice.
        open: a file by its name, to be read to its end.
    """

    names: tuple[str, ...]
    open: Callable[[str], AbstractContextManager[IO[bytes]]]

    def read(self, name: str) -> bytes:
        """A file that says something of the wheel: such files are small.

        Raises:
            BadInput: it is larger than any such file; an archive of 1 KB can hold one of 1 TB.
        """
        with self.open(name) as stream:
            data = stream.read(_LARGEST_READ_BYTES + 1)
        if len(data) > _LARGEST_READ_BYTES:
            raise BadInput(f"{name} has more than {_LARGEST_READ_BYTES} bytes", hint=_HINT)
        return data

    @property
    def dist_infos(self) -> tuple[str, ...]:
        """The names of the `*.dist-info` folders at the top, in order."""
        tops = {name.partition("/")[0] for name in self.names if "/" in name}
        return tuple(sorted(top for top in tops if top.endswith(".dist-info")))


def _not_there(name: str) -> AbstractContextManager[IO[bytes]]:
    raise KeyError(name)


NO_MEMBERS = Members(names=(), open=_not_there)


@contextlib.contextmanager
def members_of_wheel(wheel: Path) -> Iterator[Members]:
    """The members of a wheel file, while the context lasts.

    Raises:
        BadInput: it is no zip archive or is damaged; also when a damaged member is read.
    """
    with _readable(wheel), zipfile.ZipFile(wheel) as archive:
        names = tuple(info.filename for info in archive.infolist() if not info.is_dir())
        yield Members(names=names, open=archive.open)


def members_of_folder(root: Path, below: str = "") -> Members:
    """The files of an unpacked wheel.

    Args:
        below: a folder in `root`, whose files alone are meant.
    """
    found = (path for path in (root / below).rglob("*") if path.is_file())
    files = {path.relative_to(root).as_posix(): path for path in found}
    return Members(names=tuple(sorted(files)), open=lambda name: files[name].open("rb"))


def unpack_wheel(wheel: Path, folder: Path) -> None:
    """Unpack a wheel into `folder`.

    Raises:
        BadInput: it is no zip archive, is damaged, or a member would leave the folder.
    """
    with _readable(wheel), zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if leaves_folder(member.filename):
                raise BadInput(
                    f"member {member.filename!r} would be written outside the folder",
                    where=wheel,
                    hint=f"do not install this wheel; {_HINT}",
                )
        archive.extractall(folder)


def leaves_folder(name: str) -> bool:
    """Whether a member of this name would be written outside the folder it is unpacked to."""
    return name.startswith("/") or ".." in PurePosixPath(name.replace("\\", "/")).parts


@contextlib.contextmanager
def _readable(wheel: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, EOFError, zipfile.LargeZipFile, NotImplementedError) as error:
        raise BadInput(f"not a readable wheel: {error}", where=wheel, hint=_HINT) from error
