"""The kernels of a cubin: machine code for one sm, an ELF file of NVIDIA's own.

Attribute numbers of `.nv.info` carry the names that `cuobjdump -elf` prints; what each holds was
read from files that nvcc 12.8 and 13.0 wrote and checked against `cuobjdump`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from llamaproof.binary.elf import MAGIC_64_LITTLE_ENDIAN
from llamaproof.binary.kernel_figures import Kernel, Parameter
from llamaproof.errors import BadInput

_TEXT = ".text."
_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")


class _Section(NamedTuple):
    """Elf64_Shdr, its fields in order; sizes and offsets in bytes."""

    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


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
_RESERVED_SHARED_BYTES = 1024
_SHT_NOBITS = 8


def read_kernels(cubin: bytes, *, where: object = "") -> tuple[Kernel, ...]:
    """The kernels of a cubin, by name.

    Raises:
        BadInput: it is not a 64-bit little-endian ELF file, or a table in it is cut short.
    """
    try:
        return _Cubin(cubin).kernels()
    except (struct.error, IndexError, ValueError) as error:
        raise _damaged(error, where) from error


def function_sizes(cubin: bytes, *, where: object = "") -> dict[str, int]:
    """Bytes of machine code of each function of a cubin, by its mangled name.

    Raises:
        BadInput: as `read_kernels`.
    """
    try:
        return _Cubin(cubin).function_sizes()
    except (struct.error, IndexError, ValueError) as error:
        raise _damaged(error, where) from error


def _damaged(error: Exception, where: object) -> BadInput:
    return BadInput(
        f"damaged cubin: {error}",
        where=where,
        hint="the file is damaged or was cut short; get it again",
    )


class _Cubin:
    """The tables of a cubin.

    Read by hand: a library holds tens of thousands of these sections, and a general ELF reader
    spends most of a minute on them.
    """

    def __init__(self, data: bytes) -> None:
        if not data.startswith(MAGIC_64_LITTLE_ENDIAN):
            raise ValueError("not a 64-bit little-endian ELF file")
        self._data = data
        (table,) = struct.unpack_from("<Q", data, 0x28)
        width, count, names_index = struct.unpack_from("<HHH", data, 0x3A)
        if width != _SECTION_HEADER.size:
            raise ValueError(f"section headers of {width} bytes")
        places = range(table, table + count * width, width)
        sections = [_Section._make(_SECTION_HEADER.unpack_from(data, place)) for place in places]
        names = sections[names_index].offset
        self._sections = {self._string(names + s.name): s for s in sections[1:]}

    def kernels(self) -> tuple[Kernel, ...]:
        symbols = self._symbols()
        registers, frames = self._per_symbol([name for name, _ in symbols])
        entries = {name for name, other in symbols if other & _STO_CUDA_ENTRY}
        found = []
        for name, text in self._functions().items():
            info = self._sections.get(f".nv.info.{name}")
            if name not in entries or info is None:
                continue
            max_threads, parameters = self._launch_figures(info)
            shared, reserved = self._shared_bytes(name)
            found.append(
                Kernel(
                    name=name,
                    registers=registers.get(name, text.info >> 24),
                    shared_bytes=shared,
                    reserved_shared_bytes=reserved,
                    local_bytes=frames.get(name, 0),
                    max_threads=max_threads,
                    min_blocks=None,
                    constant_bytes=self._size(".nv.constant3"),
                    parameters=parameters,
                )
            )
        return tuple(sorted(found, key=lambda kernel: kernel.name))

    def function_sizes(self) -> dict[str, int]:
        return {name: section.size for name, section in self._functions().items()}

    def _functions(self) -> dict[str, _Section]:
        """The sections of machine code, by function."""
        return {
            name.removeprefix(_TEXT): section
            for name, section in self._sections.items()
            if name.startswith(_TEXT)
        }

    def _size(self, name: str) -> int:
        section = self._sections.get(name)
        return section.size if section is not None else 0

    def _shared_bytes(self, kernel: str) -> tuple[int, int]:
        """Static shared memory of the source, and what the compiler added for the system."""
        size = self._size(f".nv.shared.{kernel}")
        reserved = _RESERVED_SHARED_BYTES if size and _RESERVED_SHARED in self._sections else 0
        return size - reserved, reserved

    def _string(self, start: int) -> str:
        return self._data[start : self._data.index(b"\0", start)].decode("utf-8", errors="replace")

    def _content(self, section: _Section) -> bytes:
        if section.kind == _SHT_NOBITS:
            return b""
        end = section.offset + section.size
        if end > len(self._data):
            raise ValueError("a section leaves the file")
        return self._data[section.offset : end]

    def _symbols(self) -> list[tuple[str, int]]:
        table = self._sections.get(".symtab")
        if table is None:
            return []
        strings = self._sections[".strtab"].offset
        content = self._content(table)
        return [(self._string(strings + n), other) for n, other in _SYMBOL.iter_unpack(content)]

    def _per_symbol(self, symbols: list[str]) -> tuple[dict[str, int], dict[str, int]]:
        registers: dict[str, int] = {}
        frames: dict[str, int] = {}
        info = self._sections.get(".nv.info")
        for attribute, value in _attributes(self._content(info)) if info else ():
            target = {_EIATTR_REGCOUNT: registers, _EIATTR_FRAME_SIZE: frames}.get(attribute)
            if target is not None:
                symbol, figure = struct.unpack("<II", value)
                target[symbols[symbol]] = figure
        return registers, frames

    def _launch_figures(self, info: _Section) -> tuple[int | None, tuple[Parameter, ...]]:
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
