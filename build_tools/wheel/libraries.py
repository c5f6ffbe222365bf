"""The libraries of a wheel: stripped, with their runtime, finding CUDA beside them."""

from __future__ import annotations

from pathlib import Path

from build_tools.toolkit.driver_stub import build_driver_stub
from build_tools.toolkit.toolkit import Toolkit
from build_tools.wheel.contents import WheelContents
from build_tools.wheel.environment import tool
from build_tools.wheel.stage import put
from llamaproof.binary.cuda_libraries import DRIVER, needed_by_build
from llamaproof.binary.elf import read_elf
from llamaproof.binary.manylinux import oldest_platform
from llamaproof.errors import LlamaproofError
from llamaproof.process import run


def stage_libraries(lib: Path, contents: WheelContents) -> None:
    """Lay out the compiled libraries, the compiler's OpenMP, and a stand-in for the driver."""
    for library in contents.libraries:
        put(library, lib / library.name)
    openmp = _openmp_runtime()
    put(openmp, lib / openmp.name)
    for library in sorted(lib.iterdir()):
        # nvcc writes the number of its process into the symbol table; nothing at run time reads it.
        run(("strip", "--strip-all", library))
        run((tool("patchelf"), "--set-rpath", _rpath(library, contents.toolkit), library))
    if not contents.archs.cpu_only:
        fallback = lib / "no-driver"
        fallback.mkdir()
        build_driver_stub(fallback / DRIVER)


def platform_of(lib: Path) -> str:
    """The oldest manylinux platform that has what the libraries in a folder need."""
    libraries = sorted(lib.rglob("*.so*"))
    return oldest_platform(v for p in libraries for v in read_elf(p).needed_versions)


def _rpath(library: Path, toolkit: Toolkit | None) -> str:
    """Relative to the library: its neighbours, then the CUDA packages beside llama_cpp."""
    if toolkit is None or library.name != "libggml-cuda.so":
        return "$ORIGIN"
    needed = needed_by_build(toolkit.major)
    packages = dict.fromkeys(f"$ORIGIN/../../{library.folder}" for library in needed)
    return ":".join(("$ORIGIN", *packages))


def _openmp_runtime() -> Path:
    """The compiler's libgomp: no manylinux promises it, and slim images lack it."""
    answer = run(("g++", "-print-file-name=libgomp.so.1")).output.strip()
    path = Path(answer)
    if not path.is_absolute() or not path.exists():
        raise LlamaproofError("the C++ compiler has no libgomp.so.1", where=answer)
    return path
