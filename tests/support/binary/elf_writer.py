"""Smallest ELF and fatbin files for the tests, written from the formats' own layout."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

PTX, CUBIN = 1, 2
FLAG_LZ4, FLAG_ZSTD, FLAG_A, FLAG_F = 0x2000, 0x8000, 0x100000, 0x200000


@dataclass(frozen=True, kw_only=True)
class Section:
    name: str
    content: bytes = b""
    address: int = 0
    info: int = 0
    size: int | None = None  # of a section without content


def elf(sections: Sequence[Section]) -> bytes:
    """A 64-bit little-endian ELF file of these sections."""
    names = b"\0"
    body = b""
    headers = [bytes(64)]
    for section in (*sections, Section(name=".shstrtab")):
        name_offset = len(names)
        names += section.name.encode() + b"\0"
        content = names if section.name == ".shstrtab" else section.content
        kind = 1 if section.size is None else 8
        size = len(content) if section.size is None else section.size
        where = 64 + len(body)
        headers.append(
            struct.pack(
                "<IIQQQQIIQQ",
                *(name_offset, kind, 2, section.address, where, size, 0, section.info, 8, 0),
            )
        )
        body += content + bytes(-len(content) % 8)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    count = len(headers)
    header = ident + struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, count, count - 1
    )
    return header + body + b"".join(headers)


def entry(
    kind: int, sm: int, stored: bytes, *, flags: int = 0, size: int = 0, stored_size: int = -1
) -> bytes:
    """One fatbin entry, padded to 8 bytes."""
    padded = stored + bytes(-len(stored) % 8)
    header = struct.pack(
        "<HHIQIIHHIIIQQQ",
        *(kind, 0x101, 64, len(padded), len(stored) if stored_size < 0 else stored_size),
        *(0, 0, 9, sm, 0, 0, flags | 0x11, 0, size),
    )
    return header + padded


def fatbin(*entries: bytes) -> bytes:
    """A fatbin of these entries."""
    payload = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(payload)) + payload


def attribute(number: int, *words: int) -> bytes:
    """One `.nv.info` attribute of 32-bit words."""
    return struct.pack("<BBH", 4, number, 4 * len(words)) + struct.pack(f"<{len(words)}I", *words)


def cubin(kernel: str, *, registers: int, shared: int, frame: int, threads: int) -> bytes:
    """A cubin with one kernel of two parameters, a pointer and an int."""
    strings = b"\0" + kernel.encode() + b"\0"
    symbols = bytes(24) + struct.pack("<IBBHQQ", 1, 0x12, 0x10, 1, 0, 0)
    info = attribute(0x2F, 1, registers) + attribute(0x11, 1, frame)
    launch = (
        attribute(0x05, threads, 1, 1)
        + attribute(0x17, 0, 1 | 8 << 16, 4 << 18)
        + attribute(0x17, 0, 0, 8 << 18)
    )
    return elf(
        [
            Section(name=".strtab", content=strings),
            Section(name=".symtab", content=symbols),
            Section(name=".nv.info", content=info),
            Section(name=f".nv.info.{kernel}", content=launch),
            Section(name=f".text.{kernel}", content=bytes(128), info=registers << 24 | 1),
            Section(name=f".nv.shared.{kernel}", size=shared),
        ]
    )


def library_with_code(*archs: str) -> bytes:
    """A library whose one fatbin holds code for these: `sm_90a`, `compute_100f`."""
    return elf([Section(name=".nv_fatbin", content=fatbin_of(archs), address=0x4000)])


def fatbin_of(archs: Sequence[str], *, kernel: str = "kernel") -> bytes:
    """A fatbin that holds a kernel for each of these: `sm_90a`, `compute_100f`."""
    entries = []
    for arch in archs:
        prefix, _, target = arch.partition("_")
        number = target.rstrip("af")
        flags = {"a": FLAG_A, "f": FLAG_F, "": 0}[target.removeprefix(number)]
        if prefix == "sm":
            code = cubin(kernel, registers=168, shared=2048, frame=40, threads=256)
            entries.append(entry(CUBIN, int(number), code, flags=flags))
        else:
            entries.append(entry(PTX, int(number), b".version 9.0\n", flags=flags))
    return fatbin(*entries)
