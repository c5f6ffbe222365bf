"""The CUDA toolkit for the tests that need one."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from llamaproof.process import run


def find_toolkit() -> Path | None:
    """The folder of a toolkit with nvcc and cuobjdump, or None."""
    candidates = [Path(os.environ["CUDA_HOME"])] if "CUDA_HOME" in os.environ else []
    nvidia = importlib.util.find_spec("nvidia")
    for folder in nvidia.submodule_search_locations or [] if nvidia else []:
        candidates.append(Path(folder) / "cu13")
    on_path = shutil.which("nvcc")
    if on_path:
        candidates.append(Path(on_path).resolve().parent.parent)
    tools = ("nvcc", "cuobjdump")
    return next((c for c in candidates if all((c / "bin" / t).is_file() for t in tools)), None)


def toolkit() -> Path:
    """The toolkit, for tests that are skipped where there is none."""
    found = find_toolkit()
    assert found is not None
    return found


def nvcc() -> Path:
    return toolkit() / "bin" / "nvcc"


def cuobjdump() -> Path:
    return toolkit() / "bin" / "cuobjdump"


def compile_library(
    folder: Path, source: str, *, archs: Sequence[str], options: Sequence[str] = ()
) -> Path:
    """Compile CUDA source to a shared library with machine code and PTX for each arch."""
    text = folder / "device.cu"
    text.write_text(source)
    library = folder / "libdevice.so"
    codes = [f"-gencode=arch=compute_{a},code=[sm_{a},compute_{a}]" for a in archs]
    shared = ["-shared", "-Xcompiler=-fPIC", "-cudart=none"]
    run([nvcc(), *shared, *codes, *options, text, "-o", library])
    return library


def compile_object(folder: Path, source: Path, *, arch: str) -> Path:
    """Compile a source file to an object with machine code for one arch."""
    target = folder / f"{source.stem}.o"
    code = f"-gencode=arch=compute_{arch},code=sm_{arch}"
    run([nvcc(), "-std=c++17", code, "-c", source, "-o", target])
    return target
