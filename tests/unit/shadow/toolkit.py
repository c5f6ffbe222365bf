"""The CUDA toolkit for the tests that need one."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from llamaproof.process import run

_Test = TypeVar("_Test", bound=Callable[..., Any])


def _toolkit() -> Path | None:
    candidates = [Path(os.environ["CUDA_HOME"])] if "CUDA_HOME" in os.environ else []
    nvidia = importlib.util.find_spec("nvidia")
    for folder in nvidia.submodule_search_locations or [] if nvidia else []:
        candidates.append(Path(folder) / "cu13")
    on_path = shutil.which("nvcc")
    if on_path:
        candidates.append(Path(on_path).resolve().parent.parent)
    tools = ("nvcc", "cuobjdump")
    return next((c for c in candidates if all((c / "bin" / t).is_file() for t in tools)), None)


TOOLKIT = _toolkit()


def needs_toolkit(test: _Test) -> _Test:
    """Mark a test that compiles device code."""
    skip = pytest.mark.skipif(
        TOOLKIT is None, reason="no nvcc: set CUDA_HOME, or install the toolkit"
    )
    marked: _Test = pytest.mark.toolkit(skip(test))
    return marked


def cuobjdump() -> Path:
    assert TOOLKIT is not None
    return TOOLKIT / "bin" / "cuobjdump"


def cuda_headers() -> Path | None:
    """The folder of CUDA 13's headers: the toolkit's, or those of the Python package."""
    folders = [TOOLKIT / "include"] if TOOLKIT is not None else []
    nvidia = importlib.util.find_spec("nvidia")
    for folder in nvidia.submodule_search_locations or [] if nvidia else []:
        folders.append(Path(folder) / "cu13" / "include")
    return next((f for f in folders if (f / "cuda_occupancy.h").is_file()), None)


def compile_library(
    folder: Path, source: str, *, archs: Sequence[str], options: Sequence[str] = ()
) -> Path:
    """Compile CUDA source to a shared library with machine code and PTX for each arch."""
    assert TOOLKIT is not None
    text = folder / "device.cu"
    text.write_text(source)
    library = folder / "libdevice.so"
    codes = [f"-gencode=arch=compute_{a},code=[sm_{a},compute_{a}]" for a in archs]
    shared = ["-shared", "-Xcompiler=-fPIC", "-cudart=none"]
    run([TOOLKIT / "bin" / "nvcc", *shared, *codes, *options, text, "-o", library])
    return library


def compile_object(folder: Path, source: Path, *, arch: str) -> Path:
    """Compile a source file to an object with machine code for one arch."""
    assert TOOLKIT is not None
    target = folder / f"{source.stem}.o"
    code = f"-gencode=arch=compute_{arch},code=sm_{arch}"
    run([TOOLKIT / "bin" / "nvcc", "-std=c++17", code, "-c", source, "-o", target])
    return target
