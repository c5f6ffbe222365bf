"""How the source's own build backend is asked to build: its settings, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from build_tools.toolkit.arch import ArchList

# Included at the end of the source's own project().
_INSTALL_RULES = Path(__file__).with_name("install.cmake")
_COMPONENT = "llamaproof"

_LIBRARIES = ("llama", "ggml", "ggml-base", "ggml-cpu", "mtmd")
_CUDA_LIBRARY = "ggml-cuda"


@dataclass(frozen=True, kw_only=True)
class Places:
    """The folders of a compile, as the compilers see them.

    Attributes:
        tree: the unpacked llama-cpp-python source.
        build: the build folder; kept between runs, so that only what changed is compiled.
        environment: the Python environment with the backend, cmake and ninja.
        toolkit: the CUDA toolkit's root; None for a build without CUDA.
    """

    tree: Path
    build: Path
    environment: Path
    toolkit: Path | None


def config_settings(
    places: Places, archs: ArchList, *, commit: str, jobs: int, launcher: str = ""
) -> dict[str, str | list[str]]:
    """Settings of scikit-build-core (PEP 517): nothing is left to what the machine holds.

    Args:
        places: where everything lies.
        archs: the GPU architectures; none for a build without CUDA.
        commit: the llama.cpp commit that the libraries state.
        jobs: how many compilers at once.
        launcher: a compiler cache that starts the compilers; empty for none.
    """
    libraries = _LIBRARIES if archs.cpu_only else (*_LIBRARIES, _CUDA_LIBRARY)
    definitions = {
        **_definitions(places, archs, commit),
        "CMAKE_PROJECT_llama_cpp_INCLUDE": str(_INSTALL_RULES),
        "LLAMAPROOF_LIBRARIES": ";".join(libraries),
        **_launchers(launcher, archs),
    }
    return {
        "build-dir": str(places.build),
        "build.targets": list(libraries),
        "build.tool-args": f"-j{jobs}",
        "cmake.build-type": "Release",
        "cmake.python-hints": "false",
        "install.components": _COMPONENT,
        # A step of ours strips, and strips more.
        "install.strip": "false",
        "search.site-packages": "false",
        "wheel.py-api": "py3",
        **{f"cmake.define.{name}": value for name, value in definitions.items()},
    }


def _definitions(places: Places, archs: ArchList, commit: str) -> Mapping[str, str]:
    """The CMake definitions of a build: what is compiled, and for which machines."""
    prefix_map = f"-ffile-prefix-map={places.tree}=llama-cpp-python"
    common = {
        # x86-64-v3: with GGML_NATIVE off ggml turns on AVX2, FMA, F16C and BMI2 and no more.
        "GGML_NATIVE": "OFF",
        "GGML_CCACHE": "OFF",
        "LLAMA_CURL": "OFF",
        "CMAKE_C_FLAGS": prefix_map,
        "CMAKE_CXX_FLAGS": prefix_map,
        # A build id would hash the symbol table, where nvcc leaves the number of its process.
        "CMAKE_SHARED_LINKER_FLAGS": "-Wl,--build-id=none",
        # Left alone, llama.cpp asks git for the commit of whatever repository is around it.
        "LLAMA_BUILD_NUMBER": "0",
        "LLAMA_BUILD_COMMIT": commit[:8],
        "GGML_CUDA": "OFF" if archs.cpu_only else "ON",
    }
    if places.toolkit is None or archs.cpu_only:
        return common
    return common | {
        "CMAKE_CUDA_ARCHITECTURES": archs.cmake,
        "CMAKE_CUDA_COMPILER": str(places.toolkit / "bin" / "nvcc"),
        "CUDAToolkit_ROOT": str(places.toolkit),
        "CMAKE_CUDA_FLAGS": f"-Xcompiler {prefix_map}",
    }


def _launchers(launcher: str, archs: ArchList) -> Mapping[str, str]:
    """CMake's launchers; an empty one ends what an earlier run left in CMake's cache."""
    languages = ("C", "CXX") if archs.cpu_only else ("C", "CXX", "CUDA")
    return {f"CMAKE_{language}_COMPILER_LAUNCHER": launcher for language in languages}
