"""The CUDA backend among a target's libraries, and why there is none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from llamaproof.elf import Elf, read_elf
from llamaproof.errors import BadInput
from llamaproof.fatbin import SECTION
from llamaproof.target import Target

# Repaired wheels bundle it under a name with a hash.
_CUDART = re.compile(r"libcudart(?:-[0-9a-f]+)?\.so\.(\d+)[\d.]*")
# Releases of CUDA that there is a stand-in runtime for.
KNOWN_CUDA = (12, 13)
_OTHER_PLATFORMS = {"*.dll": "Windows", "*.dylib": "macOS"}
_MACHINE = "EM_X86_64"


@dataclass(frozen=True, kw_only=True)
class CudaBackend:
    """The library with the CUDA kernels.

    Attributes:
        cuda: major version of the cudart it is linked to.
    """

    library: Path
    cuda: int


def find_cuda_backend(target: Target) -> CudaBackend:
    """The CUDA backend of a target.

    Raises:
        BadInput: it has none, or one that cannot be observed; the message says which.
    """
    libraries = _libraries(target)
    linked = [
        (library, int(match.group(1)))
        for library in libraries
        for match in (_CUDART.fullmatch(name) for name in library.needed)
        if match
    ]
    if not linked:
        raise _no_backend(target, libraries)
    library, cuda = linked[0]
    if cuda not in KNOWN_CUDA:
        known = " and ".join(map(str, KNOWN_CUDA))
        raise BadInput(
            f"{library.path.name} is linked to CUDA {cuda}; only CUDA {known} can be played",
            where=target.name,
            hint=f"examine a build for CUDA {known}",
        )
    return CudaBackend(library=library.path, cuda=cuda)


def _libraries(target: Target) -> tuple[Elf, ...]:
    paths = target.libraries if target.lib_dir.is_dir() else ()
    if not paths:
        raise BadInput(_why_no_libraries(target), where=target.name, hint="get the Linux build")
    # A folder of a build has one file under several names.
    distinct = {path.resolve(): path for path in paths}
    found = tuple(read_elf(path) for path in distinct.values())
    for library in found:
        if library.machine != _MACHINE:
            raise BadInput(
                f"{library.path.name} is built for {library.machine}, not for {_MACHINE}",
                where=target.name,
                hint="get the wheel for linux_x86_64",
            )
    return found


def _why_no_libraries(target: Target) -> str:
    folder = target.package or target.lib_dir
    for pattern, platform in _OTHER_PLATFORMS.items():
        if next(folder.rglob(pattern), None) is not None:
            return f"the libraries are {platform}'s ({pattern}); only Linux's can be examined"
    return "there are no llama.cpp libraries (no libllama.so, no libggml*.so)"


def _no_backend(target: Target, libraries: tuple[Elf, ...]) -> BadInput:
    for library in libraries:
        if _has_device_code(library.path):
            return BadInput(
                f"{library.path.name} holds CUDA kernels and a cudart of its own, linked "
                "statically: it asks the driver through private tables, where no launch can be "
                "seen",
                where=target.name,
                hint="examine a build with a shared cudart (CMAKE_CUDA_RUNTIME_LIBRARY=Shared)",
            )
    others = sorted(
        match.group(1)
        for match in (re.match(r"libggml-([a-z]+)", lib.path.name) for lib in libraries)
        if match and match.group(1) not in ("base", "cpu", "cuda")
    )
    also = f" (its other backends: {', '.join(others)})" if others else ""
    return BadInput(
        f"the target has no CUDA backend{also}: attention always runs on the CPU",
        where=target.name,
        hint="give a wheel that was built with GGML_CUDA=on",
    )


def _has_device_code(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return ELFFile(stream).get_section_by_name(SECTION) is not None
    except (ELFError, UnicodeDecodeError):
        return False
