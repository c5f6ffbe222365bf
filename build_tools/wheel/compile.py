"""From a patched tree to compiled libraries."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from build_tools.toolkit.arch import ArchList
from build_tools.toolkit.toolkit import Toolkit
from build_tools.wheel.environment import build_environment, tool
from build_tools.wheel.ninja import Steps
from llamaproof.errors import LlamaproofError
from llamaproof.process import run

# A CUDA object with many template instances prints nothing for minutes on a slow machine.
_SILENCE_LIMIT_S = 1800.0


@dataclass(frozen=True, kw_only=True)
class CompiledTree:
    """What a build left.

    Attributes:
        libraries: the shared libraries, sorted by name.
        compiled: how many steps ninja ran; 0 when nothing had changed.
        seconds: how long configuring and compiling took.
    """

    libraries: tuple[Path, ...]
    compiled: int
    seconds: float


def compile_tree(
    tree: Path, build: Path, archs: ArchList, toolkit: Toolkit | None, *, commit: str, jobs: int
) -> CompiledTree:
    """Configure with CMake and build with ninja, showing each step as it ends.

    Args:
        tree: an unpacked llama-cpp-python source.
        build: the build folder; kept between runs, so that only what changed is compiled.
        archs: the GPU architectures; none for a build without CUDA.
        toolkit: needed unless `archs` is empty.
        commit: the llama.cpp commit that the libraries state.
        jobs: how many compilers at once.

    Raises:
        CommandFailed: with the compiler's words.
    """
    started = time.monotonic()
    env = build_environment(os.environ)
    build.mkdir(parents=True, exist_ok=True)
    targets = ["llama", "mtmd"] + ([] if archs.cpu_only else ["ggml-cuda"])
    run(
        (
            tool("cmake"),
            "-S",
            tree,
            "-B",
            build,
            "-G",
            "Ninja",
            *definitions(tree, archs, toolkit, commit),
        ),
        env=env,
        on_line=_show_warnings,
    )
    steps = Steps(sys.stdout.write)
    run(
        (tool("ninja"), "-C", build, "-j", str(jobs), *targets),
        env=env,
        on_line=steps,
        silence_limit_s=_SILENCE_LIMIT_S,
    )
    folders = (build / "bin", build / "vendor" / "llama.cpp" / "tools" / "mtmd")
    libraries = tuple(sorted(p for f in folders for p in f.glob("lib*.so")))
    if not libraries:
        raise LlamaproofError("the build left no libraries", where=build)
    return CompiledTree(
        libraries=libraries, compiled=steps.done, seconds=time.monotonic() - started
    )


def definitions(
    tree: Path, archs: ArchList, toolkit: Toolkit | None, commit: str
) -> tuple[str, ...]:
    """The CMake definitions of a build: what is compiled, and for which machines."""
    prefix_map = f"-ffile-prefix-map={tree}=llama-cpp-python"
    common = {
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_MAKE_PROGRAM": str(tool("ninja")),
        # x86-64-v3: with GGML_NATIVE off ggml turns on AVX2, FMA, F16C and BMI2 and no more.
        "GGML_NATIVE": "OFF",
        "GGML_CCACHE": "OFF",
        "LLAMA_CURL": "OFF",
        "CMAKE_C_FLAGS": prefix_map,
        "CMAKE_CXX_FLAGS": prefix_map,
        # A build id would hash the symbol table, where nvcc leaves the number of its process.
        "CMAKE_SHARED_LINKER_FLAGS": "-Wl,--build-id=none",
        # The install rules want it; nothing is installed by them.
        "SKBUILD_PLATLIB_DIR": "unused",
        # Left alone, llama.cpp asks git for the commit of whatever repository is around it.
        "LLAMA_BUILD_NUMBER": "0",
        "LLAMA_BUILD_COMMIT": commit[:8],
        "GGML_CUDA": "OFF" if archs.cpu_only else "ON",
    }
    if toolkit is not None and not archs.cpu_only:
        common |= {
            "CMAKE_CUDA_ARCHITECTURES": archs.cmake,
            "CMAKE_CUDA_COMPILER": str(toolkit.nvcc),
            "CUDAToolkit_ROOT": str(toolkit.root),
            "CMAKE_CUDA_FLAGS": f"-Xcompiler {prefix_map}",
        }
    return tuple(f"-D{name}={value}" for name, value in common.items())


def _show_warnings(line: str) -> None:
    if line.startswith(("-- CUDA", "-- Using CUDA", "CMake Error", "-- Found CUDAToolkit")):
        print(f"  {line}", flush=True)
