"""Two wheels compared: the archive, its members, and what lies in those that differ."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from build_tools.rebuild.difference import Difference
from build_tools.rebuild.libraries import library_differences
from build_tools.rebuild.objects import Objects
from llamaproof.binary.elf import MAGIC_64_LITTLE_ENDIAN

_HOW_STORED = ("date_time", "external_attr", "compress_type", "create_system", "extra", "comment")


def compare_wheels(published: Path, rebuilt: Path, objects: Objects) -> tuple[Difference, ...]:
    """Everything that differs; nothing where every byte is the same.

    Args:
        objects: what the rebuilt wheel was linked from, to name functions and files by.
    """
    if published.read_bytes() == rebuilt.read_bytes():
        return () if published.name == rebuilt.name else (_names(published, rebuilt),)
    found = tuple(_differences(published, rebuilt, objects))
    if found:
        return _without_echoes(found)
    what = "every member is the same, and so is its order: only the compression differs"
    return (Difference(member="", what=f"{what}, which is that of this Python's zlib"),)


def _without_echoes(found: tuple[Difference, ...]) -> tuple[Difference, ...]:
    """RECORD repeats the hashes of all the others, and the SBOM those of the libraries.

    Each tells something only where nothing else does.
    """
    for echoes in (("/RECORD", ".cdx.json"), ("/RECORD",)):
        told = tuple(each for each in found if not each.member.endswith(echoes))
        if told:
            return told
    return found


def _differences(published: Path, rebuilt: Path, objects: Objects) -> Iterator[Difference]:
    if published.name != rebuilt.name:
        yield _names(published, rebuilt)
    with zipfile.ZipFile(published) as first, zipfile.ZipFile(rebuilt) as second:
        names = first.namelist(), second.namelist()
        yield from _one_sided(*names)
        for name in (name for name in names[0] if name in names[1]):
            contents = first.read(name), second.read(name)
            if contents[0] != contents[1]:
                yield from _member(name, *contents, objects)
            yield from _stored(first.getinfo(name), second.getinfo(name))
        if sorted(names[0]) == sorted(names[1]) and names[0] != names[1]:
            yield Difference(member="", what="the members stand in another order")


def _names(published: Path, rebuilt: Path) -> Difference:
    what = f"the file's name is {rebuilt.name}, not {published.name}"
    return Difference(member="", what=what)


def _one_sided(first: list[str], second: list[str]) -> Iterator[Difference]:
    for name in sorted({*first} - {*second}):
        yield Difference(member=name, what="the rebuilt wheel lacks it")
    for name in sorted({*second} - {*first}):
        yield Difference(member=name, what="only the rebuilt wheel has it")


def _stored(first: zipfile.ZipInfo, second: zipfile.ZipInfo) -> Iterator[Difference]:
    other = [name for name in _HOW_STORED if getattr(first, name) != getattr(second, name)]
    if other:
        yield Difference(member=first.filename, what=f"stored with another {', '.join(other)}")


def _member(name: str, first: bytes, second: bytes, objects: Objects) -> Iterator[Difference]:
    if not all(data.startswith(MAGIC_64_LITTLE_ENDIAN) for data in (first, second)):
        yield Difference(member=name, what="differs", names=_lines(first, second))
        return
    with tempfile.TemporaryDirectory(prefix="llamaproof-compare-") as scratch:
        paths = Path(scratch) / "published.so", Path(scratch) / "rebuilt.so"
        for path, data in zip(paths, (first, second), strict=True):
            path.write_bytes(data)
        yield from library_differences(name, *paths, objects)


def _lines(first: bytes, second: bytes) -> tuple[str, ...]:
    """The lines of a text that one has and the other has not; nothing of what is no text."""
    try:
        texts = first.decode().splitlines(), second.decode().splitlines()
    except UnicodeDecodeError:
        return ()
    return (
        *(f"- {line}" for line in texts[0] if line not in {*texts[1]}),
        *(f"+ {line}" for line in texts[1] if line not in {*texts[0]}),
    )
