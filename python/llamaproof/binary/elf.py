"""What a shared library says of itself: its name, needs, symbols and versions."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection, GNUVerSymSection
from elftools.elf.sections import SymbolTableSection

from llamaproof.errors import BadInput

# The first bytes of every file that is read here, libraries and cubins alike.
MAGIC_64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"

X86_64 = "x86_64"
_MACHINES = {"EM_X86_64": X86_64, "EM_AARCH64": "aarch64"}

_DAMAGED = "the file is damaged, cut short, or no Linux library; get it again"
_EXPORTED_BINDINGS = ("STB_GLOBAL", "STB_WEAK", "STB_LOOS")  # STB_LOOS is GNU's unique binding
_EXPORTED_VISIBILITIES = ("STV_DEFAULT", "STV_PROTECTED")
# Values of .gnu.version that name no version: local, global, and the bit of hidden ones.
_NO_VERSION = ("VER_NDX_LOCAL", "VER_NDX_GLOBAL", 0, 1)
_HIDDEN = 0x8000


@dataclass(frozen=True, kw_only=True)
class Elf:
    """The dynamic section and symbols of a shared library.

    Attributes:
        path: of the file.
        machine: as `platform.machine()` names it: `x86_64`; one it does not know by ELF's name.
        soname: the name others need it by; empty without one.
        needed: sonames of the libraries it needs, in order.
        rpath: the old search path (DT_RPATH), in order; the loader ignores it beside a runpath.
        runpath: the search path (DT_RUNPATH), in order.
        sections: names of its sections.
        versions_by_library: symbol versions it needs, by the soname of who has them.
        exports: symbols others can find in it.
        imports: symbols it cannot do without, with the version asked for, or an empty string.
    """

    path: Path
    machine: str
    soname: str
    needed: tuple[str, ...]
    rpath: tuple[str, ...]
    runpath: tuple[str, ...]
    sections: frozenset[str]
    versions_by_library: Mapping[str, tuple[str, ...]]
    exports: frozenset[str]
    imports: Mapping[str, str]

    @property
    def name(self) -> str:
        """What the loader knows it by: its soname, else its file name."""
        return self.soname or self.path.name

    @property
    def search_folders(self) -> tuple[Path, ...]:
        """Where the loader looks for what it needs, `$ORIGIN` being its own folder."""
        origin = str(self.path.parent)
        written = (entry.replace("${ORIGIN}", "$ORIGIN") for entry in self.runpath or self.rpath)
        return tuple(Path(entry.replace("$ORIGIN", origin)) for entry in written)

    @property
    def needed_versions(self) -> tuple[str, ...]:
        """Every symbol version it needs of any library, sorted: GLIBC_2.34, GLIBCXX_3.4.30."""
        return tuple(sorted({v for names in self.versions_by_library.values() for v in names}))


def read_elf(path: Path) -> Elf:
    """Read a shared library.

    Raises:
        BadInput: it is no 64-bit ELF file, is damaged, or is linked statically.
    """
    try:
        with path.open("rb") as stream:
            return _read(path, ELFFile(stream))
    except (ELFError, struct.error, UnicodeDecodeError, ValueError, KeyError, IndexError) as error:
        raise BadInput(f"not a readable ELF library: {error}", where=path, hint=_DAMAGED) from error


def _read(path: Path, elf: Any) -> Elf:
    dynamic = next((s for s in elf.iter_sections() if isinstance(s, DynamicSection)), None)
    symbols = elf.get_section_by_name(".dynsym")
    if dynamic is None or not isinstance(symbols, SymbolTableSection):
        raise BadInput("no shared library: it has no dynamic section", where=path, hint=_DAMAGED)
    tags: list[Any] = list(dynamic.iter_tags())
    indices, names = _versions(elf)
    exports, imports = _symbols(symbols, indices, names)
    return Elf(
        path=path,
        machine=_MACHINES.get(elf["e_machine"], elf["e_machine"]),
        soname=next((t.soname for t in tags if t.entry.d_tag == "DT_SONAME"), ""),
        needed=tuple(t.needed for t in tags if t.entry.d_tag == "DT_NEEDED"),
        rpath=_search_path(t.rpath for t in tags if t.entry.d_tag == "DT_RPATH"),
        runpath=_search_path(t.runpath for t in tags if t.entry.d_tag == "DT_RUNPATH"),
        sections=frozenset(section.name for section in elf.iter_sections()),
        versions_by_library=_needed_versions(elf),
        exports=exports,
        imports=imports,
    )


def _search_path(entries: Any) -> tuple[str, ...]:
    return tuple(folder for entry in entries for folder in entry.split(":") if folder)


def _needed_versions(elf: Any) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for library, auxiliaries in section.iter_versions():
                found[str(library.name)] = tuple(str(a.name) for a in auxiliaries)
    return found


def _versions(elf: Any) -> tuple[Any, dict[int, str]]:
    """The section of version indices, and the needed versions by index."""
    indices = next((s for s in elf.iter_sections() if isinstance(s, GNUVerSymSection)), None)
    names: dict[int, str] = {}
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for _, auxiliaries in section.iter_versions():
                names.update({a.entry["vna_other"] & ~_HIDDEN: str(a.name) for a in auxiliaries})
    return indices, names


def _symbols(
    symbols: SymbolTableSection, indices: Any, names: Mapping[int, str]
) -> tuple[frozenset[str], dict[str, str]]:
    exports: set[str] = set()
    imports: dict[str, str] = {}
    for number, symbol in enumerate(symbols.iter_symbols()):
        binding = symbol["st_info"]["bind"]
        if not symbol.name or binding not in _EXPORTED_BINDINGS:
            continue
        if symbol["st_shndx"] == "SHN_UNDEF":
            if binding == "STB_GLOBAL":
                imports[symbol.name] = _version_of(number, indices, names)
        elif symbol["st_other"]["visibility"] in _EXPORTED_VISIBILITIES:
            exports.add(symbol.name)
    return frozenset(exports), imports


def _version_of(number: int, indices: Any, names: Mapping[int, str]) -> str:
    if indices is None:
        return ""
    index = indices.get_symbol(number)["ndx"]
    return "" if index in _NO_VERSION else names.get(index & ~_HIDDEN, "")
