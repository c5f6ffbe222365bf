"""The libraries of a wheel: stripped, with their runtime, finding CUDA beside them."""

from __future__ import annotations

import shutil
from pathlib import Path

from build_tools.toolkit.driver_stub import build_driver_stub
from build_tools.toolkit.toolkit import Toolkit
from build_tools.wheel.compiler import openmp_runtime
from build_tools.wheel.contents import WheelContents
from build_tools.wheel.environment import tool
from build_tools.wheel.unpacked import UnpackedWheel
from llamaproof.binary.cuda_libraries import DRIVER, needed_by_build
from llamaproof.process import run


def add_openmp_runtime(wheel: UnpackedWheel, _contents: WheelContents) -> None:
    """Add the compiler's libgomp: no manylinux promises it, and slim images lack it."""
    openmp = openmp_runtime()
    shutil.copyfile(openmp, wheel.libraries / openmp.name)


def strip_libraries(wheel: UnpackedWheel, _contents: WheelContents) -> None:
    """Leave no symbol table: nvcc writes the number of its process there, and nothing reads it."""
    for library in _libraries(wheel):
        run(("strip", "--strip-all", library))


def set_search_paths(wheel: UnpackedWheel, contents: WheelContents) -> None:
    """Let each library find its neighbours, and CUDA's packages beside llama_cpp."""
    for library in _libraries(wheel):
        run((tool("patchelf"), "--set-rpath", _rpath(library, contents.toolkit), library))


def add_driver_stand_in(wheel: UnpackedWheel, contents: WheelContents) -> None:
    """Add what is loaded where there is no NVIDIA driver, so that the wheel imports there."""
    if not contents.archs.cpu_only:
        folder = wheel.libraries / "no-driver"
        folder.mkdir()
        build_driver_stub(folder / DRIVER)


def _libraries(wheel: UnpackedWheel) -> list[Path]:
    return sorted(path for path in wheel.libraries.iterdir() if path.is_file())


def _rpath(library: Path, toolkit: Toolkit | None) -> str:
    """Relative to the library: its neighbours, then the CUDA packages beside llama_cpp."""
    if toolkit is None or library.name != "libggml-cuda.so":
        return "$ORIGIN"
    needed = needed_by_build(toolkit.major)
    packages = dict.fromkeys(f"$ORIGIN/../../{library.folder}" for library in needed)
    return ":".join(("$ORIGIN", *packages))
