"""A wheel as a folder: unpacked, looked into, packed again with the `wheel` command."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llamaproof.errors import LlamaproofError
from llamaproof.process import run

_LIBRARY_MODE = 0o755
_FILE_MODE = 0o644


@dataclass(frozen=True, kw_only=True)
class UnpackedWheel:
    """The folder of an unpacked wheel."""

    folder: Path

    @property
    def package(self) -> Path:
        return self.folder / "llama_cpp"

    @property
    def libraries(self) -> Path:
        return self.package / "lib"

    @property
    def info(self) -> Path:
        """Its .dist-info."""
        (folder,) = self.folder.glob("*.dist-info")
        return folder

    def files(self) -> list[Path]:
        """All files, sorted."""
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


def unpack(wheel: Path, folder: Path) -> UnpackedWheel:
    """Unpack a wheel into an empty folder."""
    _wheel("unpack", str(wheel), "--dest", str(folder))
    (unpacked,) = folder.iterdir()
    return UnpackedWheel(folder=unpacked)


def pack(unpacked: UnpackedWheel, folder: Path, env: Mapping[str, str]) -> Path:
    """Pack into an empty folder; the name is what the files say, and RECORD is written anew.

    Args:
        env: SOURCE_DATE_EPOCH in it is the time of every member.
    """
    folder.mkdir()
    _wheel("pack", str(unpacked.folder), "--dest-dir", str(folder), env=env)
    found = list(folder.glob("*.whl"))
    if len(found) != 1:
        raise LlamaproofError("`wheel pack` left no wheel", where=folder)
    return found[0]


def fix_modes(unpacked: UnpackedWheel, _contents: object) -> None:
    """Give each file the mode of its kind, whatever umask and checkout it came through."""
    for path in unpacked.files():
        path.chmod(_LIBRARY_MODE if ".so" in path.name else _FILE_MODE)


def _wheel(*arguments: str, env: Mapping[str, str] | None = None) -> None:
    run((sys.executable, "-m", "wheel", *arguments), env=env)
