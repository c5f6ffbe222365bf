"""The CUDA libraries that a target's libggml-cuda needs, loaded before it.

A wheel that was unpacked for examination no longer lies beside the packages its rpath leads to;
and a CUDA build can be measured on its CPU backend where there is no CUDA at all.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from llamaproof.binary.elf import Elf, read_elf
from llamaproof.errors import BadInput

# The driver is not among them: a machine has its own, or none.
_RUNTIME = re.compile(r"lib(cudart|cublas|cublasLt)\b.*\.so\.\d+.*")
_LOAD_ORDER = ("libcudart", "libcublasLt", "libcublas")


def load_stand_ins(libraries: Sequence[Path], folder: Path) -> None:
    """Load CUDA libraries that show no device, so that a CUDA build loads on any machine.

    Args:
        libraries: all of the target's.
        folder: for the stand-ins' files, for as long as the process lives.

    Raises:
        LlamaproofError: the stand-ins are not built.
    """
    # Imported where it is needed: timing on a GPU does without what the stand-ins bring along.
    from llamaproof import shadow

    try:
        session = shadow.prepare(libraries, [], folder=folder)
    except BadInput:
        return  # a CPU build needs none, and what else is wrong shows when it is loaded
    shadow.load(session)


def load_installed(libraries: Sequence[Path]) -> None:
    """Load cudart and cublas from where pip or a toolkit put them, if nothing else leads there."""
    read = [read_elf(path) for path in libraries]
    own = [folder for library in read for folder in _search_path(library)]
    wanted = {name for library in read for name in library.needed if _RUNTIME.fullmatch(name)}
    for soname in sorted(wanted, key=_load_order):
        if any((folder / soname).is_file() for folder in own):
            continue
        with contextlib.suppress(OSError):
            ctypes.CDLL(soname, mode=ctypes.RTLD_GLOBAL)
            continue
        for path in _candidates(soname):
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
            break


def _load_order(soname: str) -> int:
    return next(i for i, name in enumerate(_LOAD_ORDER) if soname.startswith(name))


def _candidates(soname: str) -> Iterator[Path]:
    for entry in sys.path:
        packages = Path(entry) / "nvidia"
        if packages.is_dir():
            yield from sorted(packages.glob(f"*/lib/{soname}"))
    for home in (os.environ.get("CUDA_HOME"), "/usr/local/cuda"):
        path = Path(home or "") / "lib64" / soname
        if home and path.is_file():
            yield path


def _search_path(library: Elf) -> Iterator[Path]:
    origin = str(library.path.parent)
    for entry in library.runpath or library.rpath:
        yield Path(entry.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", origin))
