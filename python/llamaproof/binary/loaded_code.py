"""Which of a library's GPU code a card loads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from llamaproof.binary.code_on_card import Arch
from llamaproof.binary.fatbin import Entry, read_fatbins

# Where a fatbin holds several forms for one sm, the guide does not say which is taken: here the
# one that is bound most narrowly to the card.
_NARROWNESS = {"": 0, "f": 1, "a": 2}


def select(entries: Iterable[Entry], sm: int) -> Entry | None:
    """The entry of a fatbin that a driver loads on a device of this sm; None where there is none.

    Of what runs there, machine code before PTX, which has to be compiled, and of each the newest.
    CUDA C++ Programming Guide, "Application Compatibility".
    """
    runnable = [entry for entry in entries if entry.arch.runs_on(sm)]
    return max(runnable, key=lambda entry: _preference(entry.arch), default=None)


def loaded_code(libraries: Iterable[Path], sm: int) -> tuple[Arch, ...]:
    """The architectures of the code that a card of this sm loads, sorted by name.

    More than one where translation units were built apart; empty where there is nothing for the
    card.

    Raises:
        BadInput: a library or its device code is damaged.
    """
    fatbins = (fatbin for library in libraries for fatbin in read_fatbins(library))
    chosen = (select(fatbin.entries, sm) for fatbin in fatbins)
    return tuple(sorted({entry.arch for entry in chosen if entry is not None}, key=str))


def _preference(arch: Arch) -> tuple[bool, int, int]:
    return arch.kind == "cubin", arch.sm, _NARROWNESS[arch.suffix]
