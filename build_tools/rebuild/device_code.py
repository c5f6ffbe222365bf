"""The GPU code of two builds of one library compared: which kernels are not the same."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from elftools.elf.elffile import ELFFile

from build_tools.rebuild.objects import Objects
from llamaproof.binary.fatbin import Entry, read_codes, read_fatbins

_ENTRY = re.compile(
    r"^(?:\.visible |\.weak )*\.(?:entry|func) +(?:\([^)]*\) *)?(\w+)", re.MULTILINE
)
# Sections of a cubin that belong to one kernel end with its name: `.text._Z3foov`.
_OF_KERNEL = re.compile(r"^\.(?:text|nv\.constant\d|nv\.info|nv\.shared|nv\.local)\.(\w+)$")


def kernel_differences(published: Path, rebuilt: Path, objects: Objects) -> Iterator[str]:
    """For each piece of GPU code that differs: what it is built for, and which kernels differ."""
    pairs = [[entry for fatbin in read_fatbins(path) for entry in fatbin.entries] for path in
             (published, rebuilt)]  # fmt: skip
    if len(pairs[0]) != len(pairs[1]):
        yield f"{len(pairs[1])} pieces of GPU code, not {len(pairs[0])}"
        return
    codes = zip(read_codes(published, pairs[0]), read_codes(rebuilt, pairs[1]), strict=True)
    for entry, (first, second) in zip(pairs[1], codes, strict=True):
        if first != second:
            yield from _piece(entry, first, second, objects)


def _piece(entry: Entry, first: bytes, second: bytes, objects: Objects) -> Iterator[str]:
    read = _of_ptx if entry.kind == "ptx" else _of_cubin
    parts = read(first), read(second)
    names = [
        name
        for name in dict.fromkeys((*parts[1], *parts[0]))
        if parts[0].get(name) != parts[1].get(name)
    ]
    if not names:
        yield f"{entry.arch}: differs outside its kernels"
    yield from (f"{entry.arch}: {objects.described(name)}" for name in names)


def _of_ptx(code: bytes) -> Mapping[str, str]:
    """The text of each function."""
    text = code.rstrip(b"\0").decode("utf-8", errors="replace")
    starts = [*_ENTRY.finditer(text)]
    ends = [*(match.start() for match in starts), len(text)][1:]
    return {
        match.group(1): text[match.start() : end] for match, end in zip(starts, ends, strict=True)
    }


def _of_cubin(code: bytes) -> Mapping[str, bytes]:
    """The sections of each kernel, one after the other."""
    found: dict[str, bytes] = {}
    for section in ELFFile(io.BytesIO(code)).iter_sections():
        match = _OF_KERNEL.match(section.name)
        if match is not None:
            name = match.group(1)
            content = b"" if section["sh_type"] == "SHT_NOBITS" else section.data()
            found[name] = found.get(name, b"") + section.name.encode() + content
    return found
