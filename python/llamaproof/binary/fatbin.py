"""The container of device code inside a CUDA library: what a `.nv_fatbin` section holds.

A fatbin is what one translation unit hands to `__cudaRegisterFatBinary`. It holds entries: machine
code for one sm (a cubin, itself an ELF file) or PTX text, each possibly compressed.

Layout of the container: read from files that nvcc 12.8 and 13.0 wrote and checked against
`cuobjdump`; NVIDIA documents only the wrapper (`fatbinary_section.h`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import lz4.block
import zstandard
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from llamaproof.binary.code_on_card import Arch, CodeKind, Suffix
from llamaproof.errors import BadInput

Compression = Literal["none", "lz4", "zstd"]

SECTION = ".nv_fatbin"

_FATBIN = struct.Struct("<IHHQ")  # magic, version, header bytes, payload bytes
_FATBIN_MAGIC = 0xBA55ED50
# kind, version, header bytes, padded bytes, stored bytes, options offset, minor, major, sm,
# name offset, name bytes, flags, zero, bytes once decompressed
_ENTRY = struct.Struct("<HHIQIIHHIIIQQQ")
_KINDS: dict[int, CodeKind] = {1: "ptx", 2: "cubin"}
_FLAG_LZ4 = 1 << 13
_FLAG_ZSTD = 1 << 15
_FLAG_ARCH_SPECIFIC = 1 << 20
_FLAG_FAMILY_SPECIFIC = 1 << 21

# One entry decompressed: far above any real one, so that a damaged size cannot exhaust memory.
_LARGEST_ENTRY = 1 << 30

_DAMAGED = "the file is damaged or was cut short; get it again"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One piece of device code in a fatbin.

    Attributes:
        arch: what it is built for.
        compression: how it is stored.
        offset: of the stored bytes, in the library file.
        stored_size: bytes in the file.
        size: bytes once decompressed.
    """

    arch: Arch
    compression: Compression
    offset: int
    stored_size: int
    size: int

    @property
    def kind(self) -> CodeKind:
        """`cubin`, `ptx`, or `other` (link-time intermediate code and the like)."""
        return self.arch.kind


@dataclass(frozen=True, kw_only=True)
class Fatbin:
    """The device code of one translation unit.

    Attributes:
        index: its place in the section, from 0.
        offset: of its header, in the library file.
        address: of its header, relative to the library's load base; for an object file that is
            not linked yet, relative to the section.
        entries: in the order of the file.
    """

    index: int
    offset: int
    address: int
    entries: tuple[Entry, ...]


def read_fatbins(library: Path) -> tuple[Fatbin, ...]:
    """Every fatbin of an ELF library or object file, in file order; empty when it has none.

    Raises:
        BadInput: not an ELF file, or its fatbin section is damaged.
    """
    try:
        with library.open("rb") as stream:
            section = ELFFile(stream).get_section_by_name(SECTION)
            if section is None:
                return ()
            data: bytes = section.data()
            if len(data) != section["sh_size"]:
                raise BadInput(f"{SECTION} is cut short", where=library, hint=_DAMAGED)
            return tuple(_walk(data, section["sh_offset"], section["sh_addr"], library))
    except (ELFError, UnicodeDecodeError, struct.error) as error:
        raise BadInput(f"not a readable ELF library: {error}", where=library) from error


def read_code(library: Path, entry: Entry) -> bytes:
    """The code of an entry, decompressed: an ELF file for a cubin, text for PTX.

    Raises:
        BadInput: it cannot be decompressed to the size it states.
    """
    return read_codes(library, (entry,))[0]


def read_codes(library: Path, entries: Sequence[Entry]) -> list[bytes]:
    """`read_code` for several entries of one library, which is opened once."""
    with library.open("rb") as stream:
        codes = []
        for entry in entries:
            stream.seek(entry.offset)
            codes.append(_decompress(stream.read(entry.stored_size), entry, library))
        return codes


def read_ptx(library: Path, entry: Entry) -> str:
    """The text of a PTX entry, without the NUL bytes that end it."""
    return read_code(library, entry).rstrip(b"\0").decode("utf-8", errors="replace")


def _walk(data: bytes, offset: int, address: int, library: Path) -> Iterator[Fatbin]:
    position = 0
    index = 0
    while position + _FATBIN.size <= len(data):
        magic, _, header, size = _FATBIN.unpack_from(data, position)
        if magic == 0:  # the linker aligns what each object brings
            position += 8
            continue
        end = position + header + size
        if magic != _FATBIN_MAGIC or header < _FATBIN.size or end > len(data):
            raise BadInput(
                f"no fatbin where one should start, at file offset {offset + position:#x}",
                where=library,
                hint=_DAMAGED,
            )
        yield Fatbin(
            index=index,
            offset=offset + position,
            address=address + position,
            entries=tuple(_entries(data, position + header, end, offset, library)),
        )
        position = end
        index += 1


def _entries(data: bytes, start: int, end: int, offset: int, library: Path) -> Iterator[Entry]:
    position = start
    while position + _ENTRY.size <= end:
        fields = _ENTRY.unpack_from(data, position)
        kind, header, padded, stored = fields[0], fields[2], fields[3], fields[4]
        sm, flags, size = fields[8], fields[11], fields[13]
        compressed = bool(flags & (_FLAG_LZ4 | _FLAG_ZSTD))
        payload = position + header
        if header < _ENTRY.size or payload + padded > end or stored > padded:
            raise BadInput(
                f"an entry leaves its fatbin, at file offset {offset + position:#x}",
                where=library,
                hint=_DAMAGED,
            )
        yield Entry(
            arch=Arch(kind=_KINDS.get(kind, "other"), sm=sm, suffix=_suffix(flags)),
            compression=_compression(flags),
            offset=offset + payload,
            stored_size=stored if compressed else padded,
            size=size if compressed else padded,
        )
        position = payload + padded


def _suffix(flags: int) -> Suffix:
    if flags & _FLAG_ARCH_SPECIFIC:
        return "a"
    return "f" if flags & _FLAG_FAMILY_SPECIFIC else ""


def _compression(flags: int) -> Compression:
    if flags & _FLAG_ZSTD:
        return "zstd"
    return "lz4" if flags & _FLAG_LZ4 else "none"


def _decompress(stored: bytes, entry: Entry, library: Path) -> bytes:
    if entry.size > _LARGEST_ENTRY:
        raise BadInput(
            f"an entry claims {entry.size} bytes of {entry.arch} code, at file offset "
            f"{entry.offset:#x}",
            where=library,
            hint=_DAMAGED,
        )
    try:
        if entry.compression == "zstd":
            code = zstandard.ZstdDecompressor().decompress(stored, max_output_size=entry.size)
        elif entry.compression == "lz4":
            code = lz4.block.decompress(stored, uncompressed_size=entry.size)
        else:
            code = stored
    except (zstandard.ZstdError, lz4.block.LZ4BlockError) as error:
        raise BadInput(
            f"cannot decompress {entry.arch} at file offset {entry.offset:#x}: {error}",
            where=library,
            hint=_DAMAGED,
        ) from error
    if len(code) != entry.size:
        raise BadInput(
            f"{entry.arch} at file offset {entry.offset:#x} has {len(code)} bytes, not the "
            f"{entry.size} it states",
            where=library,
            hint=_DAMAGED,
        )
    return bytes(code)
