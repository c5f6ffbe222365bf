"""Two builds of one library compared: sections, then the functions and kernels within them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from build_tools.rebuild.device_code import kernel_differences
from build_tools.rebuild.difference import Difference
from build_tools.rebuild.objects import Objects, Symbol, at, symbols_in
from llamaproof.binary.fatbin import SECTION as FATBIN

# A constant has no name: so many bytes before and after it are looked for in the object files.
_AROUND = 12
_MOST_LOOKED_UP = 8


@dataclass(frozen=True, kw_only=True)
class _Section:
    address: int
    content: bytes


def library_differences(
    member: str, published: Path, rebuilt: Path, objects: Objects
) -> Iterator[Difference]:
    """What differs, the sections in the order of the rebuilt file."""
    sections = _sections(published), _sections(rebuilt)
    for name in (*sections[1], *(sections[0].keys() - sections[1].keys())):
        pair = sections[0].get(name), sections[1].get(name)
        if pair[0] is None or pair[1] is None:
            which = "rebuilt" if pair[0] is None else "published"
            yield Difference(member=member, what=f"only the {which} library has {name}")
        elif pair[0].content != pair[1].content:
            yield Difference(
                member=member,
                what=f"{name}: {_how_much(pair[0], pair[1])}",
                names=_names(name, member, pair[0], pair[1], published, rebuilt, objects),
            )
    if all(sections[0].get(name) == sections[1][name] for name in sections[1]):
        yield Difference(member=member, what="differs outside its sections")


def _names(
    name: str,
    member: str,
    first: _Section,
    second: _Section,
    published: Path,
    rebuilt: Path,
    objects: Objects,
) -> tuple[str, ...]:
    """The kernels or functions that the difference of a section comes down to."""
    if name == FATBIN:
        return tuple(kernel_differences(published, rebuilt, objects))
    if first.address == second.address and len(first.content) == len(second.content):
        symbols = objects.symbols_of(member.rpartition("/")[2]) or symbols_in(rebuilt)
        return tuple(dict.fromkeys(_places(first, second, symbols, objects)))
    if name == ".text":
        changed = _resized(symbols_in(published), symbols_in(rebuilt))
        return tuple(objects.described(each) for each in changed)
    return ()


def _places(
    first: _Section, second: _Section, symbols: tuple[Symbol, ...], objects: Objects
) -> Iterator[str]:
    """What each byte that differs belongs to: a symbol, or an object file that holds it."""
    nameless = 0
    for address in _addresses(first, second):
        symbol = at(symbols, address)
        if symbol is not None:
            yield objects.described(symbol.name)
        elif nameless < _MOST_LOOKED_UP:
            nameless += 1
            place = address - second.address
            around = second.content[max(0, place - _AROUND) : place + _AROUND]
            yield from objects.holding(around)


def _resized(first: tuple[Symbol, ...], second: tuple[Symbol, ...]) -> Iterator[str]:
    """Exported functions of another size, or on one side alone: a move changes neither."""
    sizes = ({each.name: each.size for each in symbols} for symbols in (first, second))
    old, new = sizes
    for name in new:
        if old.get(name) != new[name]:
            yield name
    yield from sorted(old.keys() - new.keys())


def _addresses(first: _Section, second: _Section) -> Iterator[int]:
    pairs = zip(first.content, second.content, strict=True)
    return (first.address + place for place, (one, other) in enumerate(pairs) if one != other)


def _how_much(first: _Section, second: _Section) -> str:
    if len(first.content) != len(second.content):
        return f"{len(second.content):,} bytes, not {len(first.content):,}"
    return f"{sum(1 for _ in _addresses(first, second)):,} of {len(first.content):,} bytes"


def _sections(path: Path) -> Mapping[str, _Section]:
    with path.open("rb") as stream:
        return {
            section.name: _Section(
                address=section["sh_addr"],
                content=b"" if section["sh_type"] == "SHT_NOBITS" else section.data(),
            )
            for section in ELFFile(stream).iter_sections()
            if section.name
        }
