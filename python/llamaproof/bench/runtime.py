"""The CUDA libraries that a target's libggml-cuda needs, loaded before it.

A wheel that was unpacked for examination no longer lies beside the packages its rpath leads to;
and a CUDA build can be measured on its CPU backend where there is no CUDA at all.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from llamaproof import shadow
from llamaproof.elf import read_elf
from llamaproof.errors import BadInput

_DRIVER = "libcuda.so.1"


def load_stand_ins(libraries: Sequence[Path], folder: Path) -> None:
    """Load CUDA libraries that show no device, so that a CUDA build loads on any machine.

    Args:
        libraries: all of the target's.
        folder: for the stand-ins' files, for as long as the process lives.

    Raises:
        LlamaproofError: the stand-ins are not built.
    """
    try:
        session = shadow.prepare(libraries, [], folder=folder)
    except BadInput:
        return  # a CPU build needs none, and what else is wrong shows when it is loaded
    shadow.load(session)


def load_installed(libraries: Sequence[Path]) -> None:
    """Load cudart and cublas from where pip or a toolkit put them, if nothing else leads there."""
    try:
        needs = shadow.cuda_needs(libraries)
    except BadInput:
        return  # a CPU build, or a static runtime
    own = [folder for library in needs.code for folder in _runpath(library)]
    for soname in sorted(needs.sonames, key=lambda name: "cudart" not in name):
        if soname == _DRIVER or any((folder / soname).is_file() for folder in own):
            continue
        with contextlib.suppress(OSError):
            ctypes.CDLL(soname, mode=ctypes.RTLD_GLOBAL)
            continue
        for path in _candidates(soname):
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
            break


def _candidates(soname: str) -> Iterator[Path]:
    for entry in sys.path:
        packages = Path(entry) / "nvidia"
        if packages.is_dir():
            yield from sorted(packages.glob(f"*/lib/{soname}"))
    for home in (os.environ.get("CUDA_HOME"), "/usr/local/cuda"):
        path = Path(home or "") / "lib64" / soname
        if home and path.is_file():
            yield path


def _runpath(library: Path) -> Iterator[Path]:
    elf = read_elf(library)
    for entry in elf.runpath or elf.rpath:
        yield Path(entry.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", str(library.parent)))
