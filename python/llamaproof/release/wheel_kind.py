"""What a wheel is by its binaries, whatever it says: the CUDA it needs, and its GPU code."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from llamaproof.binary.cuda_libraries import DRIVER, CudaLibrary, cuda_libraries
from llamaproof.binary.elf import MAGIC_64_LITTLE_ENDIAN, Elf, read_elf
from llamaproof.binary.fatbin import read_fatbins
from llamaproof.wheel_archive.members import Members

_LIBRARY = re.compile(r"\.so(\.\d+)*$|\.node$")


@dataclass(frozen=True, kw_only=True)
class WheelKind:
    """What the libraries in a wheel show.

    Attributes:
        libraries: how many there are.
        archs: of their GPU code, as nvcc writes them.
        cuda: the CUDA libraries that they ask for, in the wheel or outside it.
        outside: sonames that they ask for and the wheel does not hold, each with who asks.
    """

    libraries: int
    archs: frozenset[str]
    cuda: tuple[CudaLibrary, ...]
    outside: dict[str, str]

    @property
    def cuda_majors(self) -> tuple[int, ...]:
        """The major versions of CUDA that they are linked to: one, in a wheel that works."""
        return tuple(sorted({one.cuda_major for one in self.cuda if one.cuda_major is not None}))

    @property
    def words(self) -> str:
        """`CUDA 13, compute_89 and sm_89`."""
        majors = " and ".join(f"CUDA {major}" for major in self.cuda_majors) or "no CUDA"
        return f"{majors}, {' and '.join(sorted(self.archs)) or 'no GPU code'}"


def read_kind(members: Members) -> WheelKind:
    """Read the libraries of a wheel.

    Raises:
        BadInput: one of them is damaged.
    """
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        libraries = _unpacked(members, Path(scratch))
        elves = [read_elf(path) for path in libraries]
        archs = {
            str(entry.arch)
            for path in libraries
            for unit in read_fatbins(path)
            for entry in unit.entries
        }
        return WheelKind(
            libraries=len(libraries),
            archs=frozenset(archs),
            cuda=cuda_libraries(soname for elf in elves for soname in elf.needed),
            outside=_outside(elves),
        )


def _unpacked(members: Members, folder: Path) -> list[Path]:
    """The libraries, each in a folder of its own: their names may be the same, their needs not."""
    found = []
    names = sorted(name for name in set(members.names) if _LIBRARY.search(name))
    for number, name in enumerate(names):
        path = folder / str(number) / PurePosixPath(name).name
        path.parent.mkdir()
        with members.open(name) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        with path.open("rb") as stream:
            if stream.read(len(MAGIC_64_LITTLE_ENDIAN)) == MAGIC_64_LITTLE_ENDIAN:
                found.append(path)
    return found


def _outside(elves: Sequence[Elf]) -> dict[str, str]:
    here = {name for elf in elves for name in (elf.name, elf.path.name)}
    return {
        soname: elf.path.name
        for elf in elves
        for soname in elf.needed
        if soname not in here and soname != DRIVER
    }
