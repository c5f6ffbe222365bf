"""Which CUDA a driver must be of to compile some PTX.

PTX says the release of its instruction set, `.version 8.4`, and a driver compiles that of its own
CUDA and of older ones. Source: the table "PTX Release History" of NVIDIA's PTX ISA 9.0.
"""

from __future__ import annotations

import re
from pathlib import Path

from llamaproof.binary.fatbin import read_fatbins, read_ptx
from llamaproof.binary.loaded_code import select

CudaRelease = tuple[int, int]

_CUDA_OF_PTX: dict[tuple[int, int], CudaRelease] = {
    (7, 8): (11, 8),
    (8, 0): (12, 0),
    (8, 1): (12, 1),
    (8, 2): (12, 2),
    (8, 3): (12, 3),
    (8, 4): (12, 4),
    (8, 5): (12, 5),
    (8, 6): (12, 7),
    (8, 7): (12, 8),
    (8, 8): (12, 9),
    (9, 0): (13, 0),
}

_VERSION = re.compile(r"^\.version (\d+)\.(\d+)", re.MULTILINE)


def cuda_of_ptx(text: str) -> CudaRelease | None:
    """The oldest CUDA whose driver compiles this PTX; None where that is not known here."""
    match = _VERSION.search(text)
    return _CUDA_OF_PTX.get((int(match[1]), int(match[2]))) if match else None


def cuda_for_loaded_ptx(library: Path, sm: int) -> CudaRelease | None:
    """The same for the PTX that a card loads from a library; None where it loads none.

    One toolkit makes all PTX of a library, so the first is read.

    Raises:
        BadInput: the library or its device code is damaged.
    """
    for fatbin in read_fatbins(library):
        entry = select(fatbin.entries, sm)
        if entry is not None and entry.kind == "ptx":
            return cuda_of_ptx(read_ptx(library, entry))
    return None
