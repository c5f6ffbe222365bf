"""The CUDA libraries a target asks for, and the stand-ins that take their place."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from llamaproof.binary import fatbin
from llamaproof.binary.cuda_libraries import CudaLibrary, cuda_libraries
from llamaproof.binary.elf import Elf, read_elf
from llamaproof.errors import BadInput

_SONAME_SPACE = "llamaproof_soname_space"

SUPPORTED_MAJORS = (12, 13)
_STAND_INS = frozenset({"cuda", "cudart", "cublasLt", "cublas", "nccl"})


@dataclass(frozen=True, kw_only=True)
class CudaNeeds:
    """What a target's libraries need of CUDA.

    Attributes:
        major: version of the runtime they are linked to.
        code: the libraries that bring device code, in the order given.
        sonames: the CUDA libraries they name, as they name them.
    """

    major: int
    code: tuple[Path, ...]
    sonames: tuple[str, ...]


def cuda_needs(libraries: Iterable[Path]) -> CudaNeeds:
    """Find what the libraries of a target need of CUDA.

    Raises:
        BadInput: none of them uses CUDA, one is linked to a static runtime, they are for another
            machine, ask for several runtimes at once, or for a version there is no stand-in for.
    """
    read = [read_elf(path) for path in libraries]
    code = [library for library in read if fatbin.SECTION in library.sections]
    if not code:
        names = ", ".join(library.path.name for library in read) or "none"
        raise BadInput(
            f"a CPU-only build: no library here holds CUDA device code (libraries: {names})",
            hint="give a wheel that was built with GGML_CUDA=ON",
        )
    for library in code:
        _check_machine(library)
        _check_shared_runtime(library)
    needed = _with_stand_in(name for library in read for name in library.needed)
    return CudaNeeds(
        major=_only_major(needed, code[0].path),
        code=tuple(library.path for library in code),
        sonames=tuple(sorted(library.soname for library in needed)),
    )


def stand_ins(needs: CudaNeeds, native: Path, scratch: Path) -> tuple[Path, ...]:
    """The libraries to load before the target, in order.

    A name that was changed when a wheel was bundled gets a copy of the stand-in, in `scratch`,
    that answers to it.
    """
    folder = native / f"cuda{needs.major}"
    paths = [native / "libllamaproof_shadow.so"]
    for library in cuda_libraries(needs.sonames):
        ours = folder / library.plain_soname
        if library.soname == library.plain_soname:
            paths.append(ours)
            continue
        renamed = scratch / library.soname
        rename_library(ours, library.soname, renamed)
        paths.append(renamed)
    return tuple(paths)


def rename_library(stand_in: Path, soname: str, to: Path) -> None:
    """Write a copy of a stand-in that has another SONAME.

    The name is put into the space the stand-in keeps for it, and its dynamic section made to point
    there: an offset from the string table, which may lie beyond the table's end.
    """
    data = bytearray(stand_in.read_bytes())
    with stand_in.open("rb") as stream:
        elf = ELFFile(stream)
        dynamic = elf.get_section_by_name(".dynamic")
        symbols = elf.get_section_by_name(".dynsym")
        assert isinstance(dynamic, DynamicSection) and isinstance(symbols, SymbolTableSection)
        spaces = symbols.get_symbol_by_name(_SONAME_SPACE)
        if not spaces:
            raise BadInput("a library without room for another name", where=stand_in)
        space = spaces[0]
        tags = list(dynamic.iter_tags())
        place = next(i for i, tag in enumerate(tags) if tag.entry.d_tag == "DT_SONAME")
        strings = next(tag.entry.d_val for tag in tags if tag.entry.d_tag == "DT_STRTAB")
        address, room = space["st_value"], space["st_size"]
        offset = next(elf.address_offsets(address))
        entry = dynamic["sh_offset"] + place * dynamic["sh_entsize"] + 8
    name = soname.encode() + b"\0"
    if len(name) > room:
        raise BadInput(f"the library name {soname!r} is longer than {room - 1} characters")
    data[offset : offset + len(name)] = name
    data[entry : entry + 8] = (address - strings).to_bytes(8, "little")
    to.write_bytes(data)


def _check_machine(library: Elf) -> None:
    if library.machine != platform.machine():
        raise BadInput(
            f"built for another machine ({library.machine}; this one is {platform.machine()})",
            where=library.path,
            hint="run this on a machine of that kind, or give a wheel for this one",
        )


def _check_shared_runtime(library: Elf) -> None:
    if any(found.name == "cudart" for found in cuda_libraries(library.needed)):
        return
    raise BadInput(
        "linked to a static CUDA runtime: it holds device code and does not ask for libcudart.so. "
        "Such a library talks to the driver through private tables, so that nothing can take the "
        "runtime's place",
        where=library.path,
        hint="build it with CMAKE_CUDA_RUNTIME_LIBRARY=Shared (GGML_STATIC=OFF)",
    )


def _with_stand_in(sonames: Iterable[str]) -> tuple[CudaLibrary, ...]:
    return tuple(found for found in cuda_libraries(sonames) if found.name in _STAND_INS)


def _only_major(needed: Sequence[CudaLibrary], where: Path) -> int:
    majors = {library.cuda_major for library in needed} - {None}
    if len(majors) > 1:
        sonames = ", ".join(sorted(library.soname for library in needed))
        raise BadInput(
            f"the libraries ask for several CUDA versions at once: {sonames}",
            where=where.parent,
            hint="a wheel has to be linked to one cudart and one cublas of the same major version",
        )
    major = next(x.cuda_major for x in needed if x.cuda_major is not None)
    if major not in SUPPORTED_MAJORS:
        raise BadInput(
            f"built for CUDA {major}; there are stand-ins for CUDA 12 and 13", where=where
        )
    return major
