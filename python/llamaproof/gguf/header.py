"""The header of a GGUF file: its metadata and its list of tensors, without the weights.

gguf's own reader maps the whole file, trusts every count and offset in it, and needs every tensor
to be there. A proof must survive a download that stopped half-way and a file made to do harm, so
the header is parsed here: one forward pass, every length checked before it is used, and memory
bounded by the limits below. The format is described in ggml/docs/gguf.md; where llama.cpp's reader
(ggml/src/gguf.cpp) is stricter than that text, so is this one.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from llamaproof.errors import BadInput

# Limits far beyond any real model: vocabularies of 262,144 tokens with their merges make headers
# of about 30 MB, the largest models have some thousands of tensors and below 100 keys.
MAX_HEADER_BYTES = 128 << 20
MAX_ENTRIES = 1 << 16
MAX_TENSORS = 1 << 17
# Longer arrays (tokens, scores, merges) are counted and skipped.
MAX_KEPT_ELEMENTS = 4096
# ggml.h: GGML_MAX_NAME is 64 with the closing zero, GGML_MAX_DIMS is 4.
MAX_TENSOR_NAME = 63
MAX_DIMENSIONS = 4
# gguf.md: keys are at most 2^16 - 1 bytes.
MAX_KEY = (1 << 16) - 1

_MAGIC = b"GGUF"
_DEFAULT_ALIGNMENT = 32
_SUPPORTED_VERSIONS = (2, 3)

_STRING = 8
_ARRAY = 9
# gguf_metadata_value_type -> struct code of the numeric ones
_NUMBERS: Mapping[int, str] = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}

_OTHER_KINDS = (
    (b"GGML", "a GGML file, the format before GGUF"),
    (b"ggjt", "a GGJT file, the format before GGUF"),
    (b"PK\x03\x04", "a zip archive (a PyTorch checkpoint or a wheel is one)"),
    (b"version https://git-lfs", "a Git LFS pointer: the model itself was not downloaded"),
    (b"<!DOCTYPE", "an HTML page: the download got an error page"),
    (b"<html", "an HTML page: the download got an error page"),
)

_HINT_DOWNLOAD = "download the file again and compare its size and hash with the publisher's"


@dataclass(frozen=True, kw_only=True)
class Array:
    """A metadata array.

    Attributes:
        count: its elements.
        values: the numbers themselves; None for strings, and for more than MAX_KEPT_ELEMENTS.
    """

    count: int
    values: tuple[int | float | bool, ...] | None


Value = int | float | bool | str | Array


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """One entry of the tensor list.

    Attributes:
        shape: in ggml's order, ne[0] first.
        kind: the ggml type's name; `type 99` for one that is not known here.
        offset: bytes from the start of the weights.
        n_bytes: size of the data; None for an unknown type.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    offset: int
    n_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Header:
    """What could be read of a GGUF header.

    Attributes:
        metadata: in file order; of a truncated file those keys that are there.
        tensors: likewise.
        truncated: where the file ends too early, in words; None when every weight is there.
        has_all_metadata: every key was read.
        has_all_tensors: every tensor's description was read.
        file_bytes: size of the file.
        expected_bytes: size it would have with all its weights; None when that is not known.
    """

    path: Path
    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[TensorInfo, ...]
    truncated: str | None
    has_all_metadata: bool
    has_all_tensors: bool
    file_bytes: int
    expected_bytes: int | None


def read_header(path: Path) -> Header:
    """Read the header of a GGUF file, of which the end may be missing.

    Raises:
        BadInput: it is no GGUF file, of a version or byte order llama.cpp does not read, says
            things no GGUF may say, or ends before its counts.
    """
    if not path.is_file():
        raise BadInput(f"no such file: {path}", hint="give a GGUF model file")
    with path.open("rb") as stream:
        return _Parser(path, stream, path.stat().st_size).parse()


class _EndOfFile(Exception):
    """The file ended inside `what`."""


class _Parser:
    """One forward pass over one file."""

    def __init__(self, path: Path, stream: BinaryIO, file_bytes: int) -> None:
        self._path = path
        self._stream = stream
        self._file_bytes = file_bytes
        self._position = 0
        self._metadata: dict[str, Value] = {}
        self._tensors: dict[str, TensorInfo] = {}

    def parse(self) -> Header:
        version, n_tensors, n_entries = self._preamble()
        try:
            for _ in range(n_entries):
                self._entry()
        except _EndOfFile:
            return self._header(
                version,
                f"the file ends in its metadata, after {len(self._metadata)} of {n_entries} keys",
            )
        alignment = self._alignment()
        try:
            for _ in range(n_tensors):
                self._tensor(alignment)
        except _EndOfFile:
            return self._header(
                version,
                f"the file ends in its tensor list, after {len(self._tensors)} of {n_tensors}",
                has_all_metadata=True,
            )
        expected = self._expected_bytes(alignment)
        truncated = None
        if expected is not None and self._file_bytes < expected:
            truncated = f"the file has {self._file_bytes:,} of {expected:,} bytes"
        return self._header(
            version,
            truncated,
            has_all_metadata=True,
            has_all_tensors=True,
            expected_bytes=expected,
        )

    def _header(
        self,
        version: int,
        truncated: str | None,
        *,
        has_all_metadata: bool = False,
        has_all_tensors: bool = False,
        expected_bytes: int | None = None,
    ) -> Header:
        return Header(
            path=self._path,
            version=version,
            metadata=self._metadata,
            tensors=tuple(self._tensors.values()),
            truncated=truncated,
            has_all_metadata=has_all_metadata,
            has_all_tensors=has_all_tensors,
            file_bytes=self._file_bytes,
            expected_bytes=expected_bytes,
        )

    def _preamble(self) -> tuple[int, int, int]:
        """Magic, version, tensor count and key count."""
        start = self._stream.read(64)
        self._stream.seek(0)
        try:
            if self._take(4) != _MAGIC:
                raise self._not_gguf(start)
            version = self._number("I")
            self._check_version(int(version))
            n_tensors, n_entries = int(self._number("Q")), int(self._number("Q"))
        except _EndOfFile:
            raise BadInput(
                f"the file has {self._file_bytes} bytes: too few for a GGUF header",
                where=self._path,
                hint=_HINT_DOWNLOAD,
            ) from None
        if n_entries > MAX_ENTRIES:
            raise self._bad(f"it claims {n_entries:,} metadata keys")
        if n_tensors > MAX_TENSORS:
            raise self._bad(f"it claims {n_tensors:,} tensors")
        return int(version), n_tensors, n_entries

    def _not_gguf(self, start: bytes) -> BadInput:
        kind = next((words for begin, words in _OTHER_KINDS if start.startswith(begin)), None)
        found = f"it is {kind}" if kind else f"it begins with {start[:4]!r}, not {_MAGIC!r}"
        return BadInput(f"not a GGUF file: {found}", where=self._path, hint="give a GGUF file")

    def _check_version(self, version: int) -> None:
        if version in _SUPPORTED_VERSIONS:
            return
        if version & 0xFFFF == 0:
            raise BadInput(
                "the file is big-endian: llama.cpp does not read it on this machine",
                where=self._path,
                hint="convert the model for little-endian machines",
            )
        raise BadInput(
            f"GGUF version {version} is not one of those llama.cpp reads (2, 3)",
            where=self._path,
            hint="convert the model again with a current converter",
        )

    def _entry(self) -> None:
        key = self._text("a metadata key", MAX_KEY)
        if key in self._metadata:
            raise self._bad(f"key {key!r} is there twice")
        kind = int(self._number("I"))
        self._metadata[key] = self._value(key, kind)

    def _value(self, key: str, kind: int) -> Value:
        if kind == _STRING:
            return self._text(f"the value of {key!r}", MAX_HEADER_BYTES)
        if kind == _ARRAY:
            return self._array(key)
        if kind not in _NUMBERS:
            raise self._bad(f"key {key!r} has a value of unknown type {kind}")
        return self._number(_NUMBERS[kind])

    def _array(self, key: str) -> Array:
        kind, count = int(self._number("I")), int(self._number("Q"))
        if kind == _STRING:
            # each string takes its 8 bytes of length at least
            self._check_room(count * 8, f"{count:,} strings under {key!r}")
            for _ in range(count):
                self._skip(self._length(f"a string of {key!r}", MAX_HEADER_BYTES))
            return Array(count=count, values=None)
        if kind not in _NUMBERS:
            raise self._bad(f"array {key!r} has elements of unknown or nested type {kind}")
        code = _NUMBERS[kind]
        n_bytes = count * struct.calcsize("<" + code)
        self._check_room(n_bytes, f"{count:,} numbers under {key!r}")
        if count > MAX_KEPT_ELEMENTS:
            self._skip(n_bytes)
            return Array(count=count, values=None)
        return Array(count=count, values=struct.unpack(f"<{count}{code}", self._take(n_bytes)))

    def _alignment(self) -> int:
        value = self._metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
        if isinstance(value, bool) or not isinstance(value, int) or not _is_power_of_two(value):
            raise self._bad(f"general.alignment is {value!r}, not a power of two")
        return value

    def _tensor(self, alignment: int) -> None:
        name = self._text("a tensor name", MAX_TENSOR_NAME)
        if name in self._tensors:
            raise self._bad(f"tensor {name!r} is there twice")
        n_dimensions = int(self._number("I"))
        if n_dimensions > MAX_DIMENSIONS:
            raise self._bad(f"tensor {name!r} has {n_dimensions} dimensions")
        shape = tuple(int(self._number("Q")) for _ in range(n_dimensions))
        kind, offset = int(self._number("I")), int(self._number("Q"))
        n_values = math.prod(shape)
        if n_values >= 1 << 63:
            raise self._bad(f"tensor {name!r} has the impossible shape {shape}")
        if offset % alignment or offset >= 1 << 63:
            raise self._bad(f"tensor {name!r} has the impossible offset {offset}")
        self._tensors[name] = TensorInfo(
            name=name,
            shape=shape,
            kind=_type_name(kind),
            offset=offset,
            n_bytes=tensor_bytes(kind, n_values),
        )

    def _expected_bytes(self, alignment: int) -> int | None:
        if not self._tensors:
            return self._position
        start = -(-self._position // alignment) * alignment
        ends = [start]
        for info in self._tensors.values():
            if info.n_bytes is None:
                return None
            ends.append(start + info.offset + info.n_bytes)
        return max(ends)

    def _text(self, what: str, limit: int) -> str:
        raw = self._take(self._length(what, limit))
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise self._bad(f"{what} is not text: {raw[:40]!r}") from None

    def _length(self, what: str, limit: int) -> int:
        length = int(self._number("Q"))
        if length > limit:
            raise self._bad(f"{what} claims {length:,} bytes, beyond the {limit:,} allowed")
        return length

    def _number(self, code: str) -> int | float | bool:
        value = struct.unpack("<" + code, self._take(struct.calcsize("<" + code)))[0]
        assert isinstance(value, (int, float))
        return value

    def _take(self, count: int) -> bytes:
        self._check_room(count, "its header")
        # Asking for no more than the file has keeps a false length from reserving memory.
        if count > self._file_bytes - self._position:
            raise _EndOfFile
        block = self._stream.read(count)
        if len(block) < count:
            raise _EndOfFile
        self._position += count
        return block

    def _skip(self, count: int) -> None:
        self._check_room(count, "its header")
        if count > self._file_bytes - self._position:
            raise _EndOfFile
        self._stream.seek(count, 1)
        self._position += count

    def _check_room(self, count: int, what: str) -> None:
        if self._position + count > MAX_HEADER_BYTES:
            raise self._bad(f"{what} would go beyond the {MAX_HEADER_BYTES:,} bytes allowed")

    def _bad(self, problem: str) -> BadInput:
        return BadInput(
            f"not a sound GGUF file: {problem}",
            where=f"{self._path}, byte {self._position:,}",
            hint=_HINT_DOWNLOAD,
        )


def _is_power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


def _type_name(kind: int) -> str:
    # Imported where it is needed: whoever reads no model does without the package.
    from gguf.constants import GGMLQuantizationType

    try:
        name: str = GGMLQuantizationType(kind).name
    except ValueError:
        return f"type {kind}"
    return name


def tensor_bytes(kind: int, n_values: int) -> int | None:
    """Bytes that values of a ggml type take, in whole blocks; None for an unknown type."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        block_values, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    except (KeyError, ValueError):
        return None
    return int(n_values // block_values * block_bytes)
