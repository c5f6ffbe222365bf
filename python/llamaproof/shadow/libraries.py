"""The CUDA libraries a target asks for, and the stand-ins that take their place."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from llamaproof.errors import BadInput

# As linked, or as auditwheel renames what it bundles: libcudart-9f3b1c2d.so.12.8.90
_CUDA_LIBRARY = re.compile(r"lib(cudart|cublas|cublasLt)(?:-[0-9a-f]+)?\.so\.(\d+)(?:\.\d+)*")
_UNVERSIONED = re.compile(r"lib(cuda|nccl)(?:-[0-9a-f]+)?\.so\.([12])(?:\.\d+)*")
_SONAME_SPACE = "llamaproof_soname_space"
_MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}

SUPPORTED_MAJORS = (12, 13)


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


@dataclass(frozen=True, kw_only=True)
class _Library:
    path: Path
    machine: str
    needed: tuple[str, ...]
    has_device_code: bool


def cuda_needs(libraries: Iterable[Path]) -> CudaNeeds:
    """Find what the libraries of a target need of CUDA.

    Raises:
        BadInput: none of them uses CUDA, one is linked to a static runtime, they are for another
            machine, ask for several runtimes at once, or for a version there is no stand-in for.
    """
    read = [_read(path) for path in libraries]
    code = [library for library in read if library.has_device_code]
    if not code:
        names = ", ".join(library.path.name for library in read) or "none"
        raise BadInput(
            f"a CPU-only build: no library here holds CUDA device code (libraries: {names})",
            hint="give a wheel that was built with GGML_CUDA=ON",
        )
    for library in code:
        _check_machine(library)
        _check_shared_runtime(library)
    sonames = sorted({name for library in read for name in library.needed if _is_cuda(name)})
    majors = {int(m.group(2)) for name in sonames if (m := _CUDA_LIBRARY.fullmatch(name))}
    if len(majors) > 1:
        raise BadInput(
            f"the libraries ask for several CUDA versions at once: {', '.join(sonames)}",
            where=code[0].path.parent,
            hint="a wheel has to be linked to one cudart and one cublas of the same major version",
        )
    (major,) = majors
    if major not in SUPPORTED_MAJORS:
        raise BadInput(
            f"built for CUDA {major}; there are stand-ins for CUDA 12 and 13",
            where=code[0].path,
        )
    return CudaNeeds(
        major=major, code=tuple(library.path for library in code), sonames=tuple(sonames)
    )


def stand_ins(needs: CudaNeeds, native: Path, scratch: Path) -> tuple[Path, ...]:
    """The libraries to load before the target, in order.

    A name that was changed when a wheel was bundled gets a copy of the stand-in, in `scratch`,
    that answers to it.
    """
    folder = native / f"cuda{needs.major}"
    wanted: dict[str, str] = {}  # as asked for -> our file
    for soname in needs.sonames:
        wanted[soname] = _stand_in_for(soname, needs.major)
    paths = [native / "libllamaproof_shadow.so"]
    for soname, ours in sorted(wanted.items(), key=lambda pair: _load_order(pair[1])):
        if soname == ours:
            paths.append(folder / ours)
            continue
        renamed = scratch / soname
        rename_library(folder / ours, soname, renamed)
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


def _read(path: Path) -> _Library:
    try:
        with path.open("rb") as stream:
            elf = ELFFile(stream)
            dynamic = elf.get_section_by_name(".dynamic")
            if not isinstance(dynamic, DynamicSection):
                raise BadInput("not a shared library: it has no dynamic section", where=path)
            tags = dynamic.iter_tags("DT_NEEDED")
            needed = tuple(str(getattr(tag, "needed")) for tag in tags)  # noqa: B009
            return _Library(
                path=path,
                machine=elf["e_machine"],
                needed=needed,
                has_device_code=elf.get_section_by_name(".nv_fatbin") is not None,
            )
    except (ELFError, UnicodeDecodeError) as error:
        raise BadInput(f"not a readable ELF library: {error}", where=path) from error


def _check_machine(library: _Library) -> None:
    here = _MACHINES.get(platform.machine())
    if library.machine != here:
        raise BadInput(
            f"built for another machine ({library.machine}; this one is {platform.machine()})",
            where=library.path,
            hint="run this on a machine of that kind, or give a wheel for this one",
        )


def _check_shared_runtime(library: _Library) -> None:
    if any(
        m for name in library.needed if (m := _CUDA_LIBRARY.fullmatch(name)) and m[1] == "cudart"
    ):
        return
    raise BadInput(
        "linked to a static CUDA runtime: it holds device code and does not ask for libcudart.so. "
        "Such a library talks to the driver through private tables, so that nothing can take the "
        "runtime's place",
        where=library.path,
        hint="build it with CMAKE_CUDA_RUNTIME_LIBRARY=Shared (GGML_STATIC=OFF)",
    )


def _is_cuda(name: str) -> bool:
    return bool(_CUDA_LIBRARY.fullmatch(name) or _UNVERSIONED.fullmatch(name))


def _stand_in_for(soname: str, major: int) -> str:
    versioned = _CUDA_LIBRARY.fullmatch(soname)
    if versioned:
        return f"lib{versioned.group(1)}.so.{major}"
    plain = _UNVERSIONED.fullmatch(soname)
    assert plain is not None
    return f"lib{plain.group(1)}.so.{plain.group(2)}"


def _load_order(name: str) -> int:
    # A library comes after those it would itself ask for.
    order = ("libcuda.so", "libcudart.so", "libcublasLt.so", "libcublas.so", "libnccl.so")
    return next(i for i, start in enumerate(order) if name.startswith(start))
