"""The CUDA libraries that a target's libggml-cuda needs, loaded before it.

A wheel that was unpacked for examination no longer lies beside the packages its rpath leads to;
and a CUDA build can be measured on its CPU backend where there is no CUDA at all.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Sequence
from pathlib import Path

from llamaproof.binary.cuda_libraries import cuda_libraries, installed_copies
from llamaproof.binary.elf import read_elf
from llamaproof.errors import BadInput


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
    own = [folder for library in read for folder in library.search_folders]
    for wanted in cuda_libraries(soname for library in read for soname in library.needed):
        # The driver is not looked for: a machine has its own, or none.
        if wanted.cuda_major is None or any((f / wanted.soname).is_file() for f in own):
            continue
        with contextlib.suppress(OSError):
            ctypes.CDLL(wanted.soname, mode=ctypes.RTLD_GLOBAL)
            continue
        path = next(installed_copies(wanted), None)
        if path is not None:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
