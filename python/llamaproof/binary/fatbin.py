"""Device code inside a CUDA library: what a `.nv_fatbin` section holds, and what each kernel needs.

A fatbin is what one translation unit hands to `__cudaRegisterFatBinary`. It holds entries: machine
code for one sm (a cubin, itself an ELF file) or PTX text, each possibly compressed.

Layout of the container: read from files that nvcc 12.8 and 13.0 wrote and checked against
`cuobjdump`; NVIDIA documents only the wrapper (`fatbinary_section.h`). Attribute numbers of
`.nv.info` carry the names that `cuobjdump -elf` prints.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import lz4.block
import zstandard
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from llamaproof.errors import BadInput

Kind = Literal["ptx", "cubin", "other"]
Compression = Literal["none", "lz4", "zstd"]

SECTION = ".nv_fatbin"

_FATBIN = struct.Struct("<IHHQ")  # magic, version, header bytes, payload bytes
_FATBIN_MAGIC = 0xBA55ED50
# kind, version, header bytes, padded bytes, stored bytes, options offset, minor, major, sm,
# name offset, name bytes, flags, zero, bytes once decompressed
_ENTRY = struct.Struct("<HHIQIIHHIIIQQQ")
_KINDS: dict[int, Kind] = {1: "ptx", 2: "cubin"}
_FLAG_LZ4 = 1 << 13
_FLAG_ZSTD = 1 << 15
_FLAG_ARCH_SPECIFIC = 1 << 20
_FLAG_FAMILY_SPECIFIC = 1 << 21

# One entry decompressed: far above any real one, so that a damaged size cannot exhaust memory.
_LARGEST_ENTRY = 1 << 30

# Devices of the Tegra line. Machine code is not exchanged between them and other devices, nor among
# them: CUDA C++ Programming Guide, "Binary Compatibility".
_TEGRA_SM = frozenset({53, 62, 72, 87, 101, 110})


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One piece of device code in a fatbin.

    Attributes:
        kind: `ptx`, `cubin`, or `other` (link-time intermediate code and the like).
        sm: compute capability as one number: 89 is 8.9. For PTX the lowest it may run on.
        suffix: `a` runs on this sm alone, `f` on its family, empty without such a bound.
        compression: how it is stored.
        offset: of the stored bytes, in the library file.
        stored_size: bytes in the file.
        size: bytes once decompressed.
    """

    kind: Kind
    sm: int
    suffix: Literal["", "a", "f"]
    compression: Compression
    offset: int
    stored_size: int
    size: int

    @property
    def arch(self) -> str:
        """As nvcc writes it: `sm_89`, `sm_120a`, `compute_89`."""
        return f"{'compute' if self.kind == 'ptx' else 'sm'}_{self.sm}{self.suffix}"


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


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A kernel parameter: its place and size in the parameter block, in bytes."""

    offset: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel in a cubin and what it takes of a multiprocessor.

    Attributes:
        name: mangled.
        registers: per thread; None for PTX, which has no registers assigned yet.
        shared_bytes: static shared memory the source asks for. PTX: the sum of its declarations.
        reserved_shared_bytes: what the compiler adds for the system (sm_90 and newer: 1024);
            `cuobjdump` prints the sum of both, the driver reports `shared_bytes` alone.
        local_bytes: stack frame per thread; None for PTX.
        max_threads: the block size it was compiled for (`__launch_bounds__`); None without one.
        min_blocks: the second argument of `__launch_bounds__`, which only PTX keeps.
        constant_bytes: constant memory of the source visible to it (bank 3).
        parameters: in order.
    """

    name: str
    registers: int | None
    shared_bytes: int
    reserved_shared_bytes: int
    local_bytes: int | None
    max_threads: int | None
    min_blocks: int | None
    constant_bytes: int
    parameters: tuple[Parameter, ...]

    @property
    def parameter_bytes(self) -> int:
        """Bytes of the parameter block."""
        return max((p.offset + p.size for p in self.parameters), default=0)


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


def select(entries: Iterable[Entry], sm: int) -> Entry | None:
    """The entry a driver loads on a device of this sm; None when there is no code for it.

    Machine code of the same major version and the highest minor version not above the device's
    wins; without any, the newest PTX not above the device is compiled. CUDA C++ Programming Guide,
    "Application Compatibility" and "Family-Specific Features".
    """
    runnable = [e for e in entries if _runs_on(e, sm)]
    for kind in ("cubin", "ptx"):
        found = [e for e in runnable if e.kind == kind]
        if found:
            return max(found, key=lambda e: (e.sm, e.suffix != "", e.suffix))
    return None


def read_kernels(cubin: bytes, *, where: object = "") -> tuple[Kernel, ...]:
    """The kernels of a cubin, by name.

    Raises:
        BadInput: it is not a 64-bit little-endian ELF file, or a table in it is cut short.
    """
    try:
        return _Cubin(cubin).kernels()
    except (struct.error, IndexError, ValueError) as error:
        raise BadInput(f"damaged cubin: {error}", where=where, hint=_DAMAGED) from error


# Patterns begin with what is rare: a library's PTX has hundreds of megabytes of text.
_PTX_ENTRY = re.compile(r"\.entry\s+([\w$]+)")
_PTX_PARAM = re.compile(
    r"\.param\s+(?:\.align\s+(\d+)\s+)?\.([a-z]+)(\d+)((?:\s+\.\w+(?:\s+\d+)?)*)\s+[\w$]+"
    r"(?:\[(\d+)\])?"
)
_PTX_SHARED = re.compile(r"\.shared\s+(?:\.align\s+\d+\s+)?\.[a-z]+(\d+)\s+([\w$]+)(?:\[(\d+)\])?;")
_PTX_MAXNTID = re.compile(r"\.(?:max|req)ntid\s+(\d+)(?:\s*,\s*(\d+))?(?:\s*,\s*(\d+))?")
_PTX_MINBLOCKS = re.compile(r"\.minnctapersm\s+(\d+)")


def read_ptx_kernels(text: str) -> tuple[Kernel, ...]:
    """The kernels of PTX text, by name. What only the assembler decides is None."""
    kernels = []
    starts = [(m.group(1), m.start(), m.end()) for m in _PTX_ENTRY.finditer(text)]
    module_shared = _declared_shared(text[: starts[0][1]]) if starts else {}
    for place, (name, _, end) in enumerate(starts):
        stop = starts[place + 1][1] if place + 1 < len(starts) else len(text)
        whole = text[end:stop]
        head, _, body = whole.partition("{")
        used = sum(s for symbol, s in module_shared.items() if symbol in body)
        threads = _PTX_MAXNTID.search(head)
        blocks = _PTX_MINBLOCKS.search(head)
        kernels.append(
            Kernel(
                name=name,
                registers=None,
                shared_bytes=used + sum(_declared_shared(body).values()),
                reserved_shared_bytes=0,
                local_bytes=None,
                max_threads=_product(threads.groups()) if threads else None,
                min_blocks=int(blocks.group(1)) if blocks else None,
                constant_bytes=0,
                parameters=_ptx_parameters(head),
            )
        )
    return tuple(sorted(kernels, key=lambda kernel: kernel.name))


_DAMAGED = "the file is damaged or was cut short; get it again"


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
            kind=_KINDS.get(kind, "other"),
            sm=sm,
            suffix=_suffix(flags),
            compression=_compression(flags),
            offset=offset + payload,
            stored_size=stored if compressed else padded,
            size=size if compressed else padded,
        )
        position = payload + padded


def _suffix(flags: int) -> Literal["", "a", "f"]:
    if flags & _FLAG_ARCH_SPECIFIC:
        return "a"
    return "f" if flags & _FLAG_FAMILY_SPECIFIC else ""


def _compression(flags: int) -> Compression:
    if flags & _FLAG_ZSTD:
        return "zstd"
    return "lz4" if flags & _FLAG_LZ4 else "none"


def _runs_on(entry: Entry, sm: int) -> bool:
    if entry.suffix == "a" or (entry.kind == "cubin" and {entry.sm, sm} & _TEGRA_SM):
        return entry.sm == sm
    same_major = entry.sm // 10 == sm // 10
    if entry.kind == "cubin" or entry.suffix == "f":
        return same_major and entry.sm <= sm
    return entry.kind == "ptx" and entry.sm <= sm


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


_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IxB18x")  # name, and what a symbol is (st_other)
_STO_CUDA_ENTRY = 0x10  # a kernel, not a function that kernels call
_EIFMT_NVAL, _EIFMT_BVAL, _EIFMT_HVAL, _EIFMT_SVAL = 1, 2, 3, 4
_EIATTR_MAX_THREADS = 0x05
_EIATTR_REQNTID = 0x10
_EIATTR_FRAME_SIZE = 0x11
_EIATTR_KPARAM_INFO = 0x17
_EIATTR_REGCOUNT = 0x2F
_EIATTR_KPARAM_INFO_V2 = 0x45
_RESERVED_SHARED = ".nv.shared.reserved.0"
_SHT_NOBITS = 8


class _Cubin:
    """The tables of a cubin.

    Read by hand: a library holds tens of thousands of these sections, and a general ELF reader
    spends most of a minute on them.
    """

    def __init__(self, data: bytes) -> None:
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError("not a 64-bit little-endian ELF file")
        self._data = data
        (table,) = struct.unpack_from("<Q", data, 0x28)
        width, count, names_index = struct.unpack_from("<HHH", data, 0x3A)
        if width != _SECTION_HEADER.size:
            raise ValueError(f"section headers of {width} bytes")
        headers = [_SECTION_HEADER.unpack_from(data, table + i * width) for i in range(count)]
        names = headers[names_index][4]
        self._headers = {self._string(names + h[0]): h for h in headers[1:]}

    def kernels(self) -> tuple[Kernel, ...]:
        symbols = self._symbols()
        registers, frames = self._per_symbol([name for name, _ in symbols])
        entries = {name for name, other in symbols if other & _STO_CUDA_ENTRY}
        constant = self._headers.get(".nv.constant3")
        constant_bytes = constant[5] if constant else 0
        found = []
        for section, header in self._headers.items():
            if not section.startswith(".text."):
                continue
            name = section.removeprefix(".text.")
            info = self._headers.get(f".nv.info.{name}")
            if name not in entries or info is None:
                continue
            max_threads, parameters = self._launch_figures(info)
            shared = self._headers.get(f".nv.shared.{name}")
            reserved = 1024 if shared and _RESERVED_SHARED in self._headers else 0
            found.append(
                Kernel(
                    name=name,
                    registers=registers.get(name, header[7] >> 24),
                    shared_bytes=shared[5] - reserved if shared else 0,
                    reserved_shared_bytes=reserved,
                    local_bytes=frames.get(name, 0),
                    max_threads=max_threads,
                    min_blocks=None,
                    constant_bytes=constant_bytes,
                    parameters=parameters,
                )
            )
        return tuple(sorted(found, key=lambda kernel: kernel.name))

    def _string(self, start: int) -> str:
        return self._data[start : self._data.index(b"\0", start)].decode("utf-8", errors="replace")

    def _content(self, header: tuple[int, ...]) -> bytes:
        if header[1] == _SHT_NOBITS:
            return b""
        if header[4] + header[5] > len(self._data):
            raise ValueError("a section leaves the file")
        return self._data[header[4] : header[4] + header[5]]

    def _symbols(self) -> list[tuple[str, int]]:
        table = self._headers.get(".symtab")
        if table is None:
            return []
        strings = self._headers[".strtab"][4]
        content = self._content(table)
        return [(self._string(strings + n), other) for n, other in _SYMBOL.iter_unpack(content)]

    def _per_symbol(self, symbols: list[str]) -> tuple[dict[str, int], dict[str, int]]:
        registers: dict[str, int] = {}
        frames: dict[str, int] = {}
        info = self._headers.get(".nv.info")
        for attribute, value in _attributes(self._content(info)) if info else ():
            target = {_EIATTR_REGCOUNT: registers, _EIATTR_FRAME_SIZE: frames}.get(attribute)
            if target is not None:
                symbol, figure = struct.unpack("<II", value)
                target[symbols[symbol]] = figure
        return registers, frames

    def _launch_figures(self, info: tuple[int, ...]) -> tuple[int | None, tuple[Parameter, ...]]:
        max_threads: int | None = None
        parameters: dict[int, Parameter] = {}
        for attribute, value in _attributes(self._content(info)):
            if attribute in (_EIATTR_MAX_THREADS, _EIATTR_REQNTID):
                x, y, z = struct.unpack("<III", value)
                max_threads = x * y * z
            elif attribute in (_EIATTR_KPARAM_INFO, _EIATTR_KPARAM_INFO_V2):
                _, ordinal, offset, packed = struct.unpack("<IHHI", value)
                # Parameter blocks above 4 KB take the second form, with 16 bits for the size.
                size = packed >> 18 if attribute == _EIATTR_KPARAM_INFO else packed & 0xFFFF
                parameters[ordinal] = Parameter(offset=offset, size=size)
        return max_threads, tuple(parameters[i] for i in sorted(parameters))


def _attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + 4 <= len(content):
        form, attribute, size = struct.unpack_from("<BBH", content, position)
        position += 4
        if form != _EIFMT_SVAL:
            yield attribute, b""
            continue
        if position + size > len(content):
            raise ValueError("an attribute leaves its table")
        yield attribute, content[position : position + size]
        position += size


def _ptx_parameters(head: str) -> tuple[Parameter, ...]:
    parameters = []
    offset = 0
    for match in _PTX_PARAM.finditer(head):
        align, _, bits, _, count = match.groups()
        element = int(bits) // 8
        size = element * int(count) if count else element
        alignment = int(align) if align else element
        offset = -(-offset // alignment) * alignment
        parameters.append(Parameter(offset=offset, size=size))
        offset += size
    return tuple(parameters)


def _declared_shared(text: str) -> dict[str, int]:
    return {
        name: int(bits) // 8 * int(count or 1) for bits, name, count in _PTX_SHARED.findall(text)
    }


def _product(parts: Iterable[str | None]) -> int:
    product = 1
    for part in parts:
        product *= int(part) if part else 1
    return product
