"""The build folder of a rebuilt wheel: where a function of a stripped library came from."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from llamaproof.kernels.names import demangle

_NAMED = ("STT_FUNC", "STT_OBJECT", "STT_LOOS")  # STT_LOOS is GNU's indirect function


@dataclass(frozen=True, kw_only=True)
class Symbol:
    """A function or variable: its mangled name, address and size in bytes."""

    name: str
    address: int
    size: int


@dataclass(frozen=True)
class Objects:
    """What a build left: object files, and libraries that are not stripped.

    Attributes:
        folder: the build folder; None where it is not at hand, so that nothing can be named.
    """

    folder: Path | None

    def symbols_of(self, library: str) -> tuple[Symbol, ...]:
        """All symbols of the library before it was stripped, by address; stripping moves none."""
        found = [] if self.folder is None else sorted(self.folder.rglob(library))
        return symbols_in(found[0]) if found else ()

    def described(self, symbol: str) -> str:
        """A symbol as people read it, with the object file that defines it."""
        name = demangle(symbol)
        objects = self._defined.get(symbol, ())
        return f"{name} ({', '.join(objects)})" if objects else name

    def holding(self, content: bytes) -> tuple[str, ...]:
        """The object files that hold these bytes: where a constant came from, that has no name."""
        return tuple(path.name for path in self._paths if content in path.read_bytes())

    @functools.cached_property
    def _paths(self) -> tuple[Path, ...]:
        return () if self.folder is None else tuple(sorted(self.folder.rglob("*.o")))

    @functools.cached_property
    def _defined(self) -> dict[str, tuple[str, ...]]:
        """The object files that define each symbol."""
        found: dict[str, tuple[str, ...]] = {}
        for path in self._paths:
            for symbol in symbols_in(path):
                found[symbol.name] = (*found.get(symbol.name, ()), path.name)
        return found


def symbols_in(path: Path) -> tuple[Symbol, ...]:
    """The functions and variables that an ELF file defines, by address."""
    with path.open("rb") as stream:
        found = {symbol.address: symbol for symbol in _symbols(ELFFile(stream))}
        if path.suffix == ".o":
            return tuple(_symbols(ELFFile(stream)))
    return tuple(found[address] for address in sorted(found))


def at(symbols: tuple[Symbol, ...], address: int) -> Symbol | None:
    """The one whose bytes an address is among."""
    place = bisect.bisect_right(symbols, address, key=lambda symbol: symbol.address) - 1
    if place < 0:
        return None
    found = symbols[place]
    return found if address < found.address + found.size else None


def _symbols(elf: Any) -> Iterator[Symbol]:
    tables = [s for s in elf.iter_sections() if isinstance(s, SymbolTableSection)]
    whole = [table for table in tables if table.name == ".symtab"] or tables
    for table in whole:
        for symbol in table.iter_symbols():
            if symbol["st_shndx"] == "SHN_UNDEF" or symbol["st_info"]["type"] not in _NAMED:
                continue
            yield Symbol(name=symbol.name, address=symbol["st_value"], size=symbol["st_size"])
