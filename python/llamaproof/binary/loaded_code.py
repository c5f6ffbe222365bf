"""Which of a library's GPU code a card loads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from llamaproof.binary.fatbin import read_fatbins, select


def loaded_code(libraries: Iterable[Path], sm: int) -> tuple[str, ...]:
    """The architectures of the code that a card of this sm loads, sorted.

    `sm_89` is machine code, `compute_75` PTX that the driver compiles; empty where there is
    nothing for the card.

    Raises:
        BadInput: a library or its device code is damaged.
    """
    fatbins = (fatbin for library in libraries for fatbin in read_fatbins(library))
    chosen = (select(fatbin.entries, sm) for fatbin in fatbins)
    return tuple(sorted({entry.arch for entry in chosen if entry is not None}))
