"""What the shadow runtime recorded, as Python sees it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

CopyDirection = Literal["host to host", "host to device", "device to host", "device", "peer"]
MemoryKind = Literal["device", "pinned", "registered", "managed", "physical"]
GraphAction = Literal["capture begins", "capture ends", "instantiate", "update", "launch"]

_DIRECTIONS: tuple[CopyDirection, ...] = (
    "host to host",
    "host to device",
    "device to host",
    "device",
    "peer",
)
_MEMORY_KINDS: dict[int, MemoryKind] = {
    1: "device",
    2: "pinned",
    3: "registered",
    4: "managed",
    5: "physical",
}
_GRAPH_ACTIONS: dict[int, GraphAction] = {
    6: "capture begins",
    7: "capture ends",
    8: "instantiate",
    9: "update",
    10: "launch",
}
_FREED, _CAPTURE_ENDS = 5, 7
_COOPERATIVE, _PROGRAMMATIC, _FROM_PTX, _ESTIMATED = 1, 2, 4, 8


class RawRecord(ctypes.Structure):
    """`llamaproof_record` of native/shadow/shadow.h."""

    _fields_ = (
        ("sequence", ctypes.c_uint64),
        ("kind", ctypes.c_uint32),
        ("device", ctypes.c_int32),
        ("stream", ctypes.c_uint64),
        ("capture", ctypes.c_uint64),
        ("thread", ctypes.c_uint64),
        ("name", ctypes.c_uint32),
        ("status", ctypes.c_int32),
        ("value", ctypes.c_uint64 * 12),
    )


@dataclass(frozen=True, kw_only=True)
class Record:
    """One call.

    Attributes:
        sequence: from 1, in the order of the calls.
        device: ordinal; -1 where none is concerned.
        stream: 0 is the default stream.
        capture: the graph being captured; 0 when the call took effect at once.
    """

    sequence: int
    device: int
    stream: int
    capture: int
    thread: int


@dataclass(frozen=True, kw_only=True)
class Launch(Record):
    """A kernel launch; while a graph is captured, one of its nodes.

    Attributes:
        kernel: mangled name.
        demangled: its name as C++ has it, with template arguments.
        grid, block, cluster: x, y, z.
        dynamic_shared, static_shared: bytes a block.
        registers: per thread.
        resident_blocks: on one multiprocessor at a time, by NVIDIA's occupancy calculator.
        from_ptx: no machine code for this sm, the driver would compile PTX.
        estimated: registers are an estimate (see `shadow.index`).
        programmatic: may start before the kernel in front of it ends.
    """

    kernel: str
    demangled: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    cluster: tuple[int, int, int]
    dynamic_shared: int
    static_shared: int
    registers: int
    resident_blocks: int
    cooperative: bool
    programmatic: bool
    from_ptx: bool
    estimated: bool


@dataclass(frozen=True, kw_only=True)
class Copy(Record):
    """A copy of `rows` rows of `row_bytes`; `source_device` is -1 for the host."""

    call: str
    direction: CopyDirection
    destination: int
    source: int
    row_bytes: int
    rows: int
    source_device: int

    @property
    def bytes(self) -> int:
        return self.row_bytes * self.rows


@dataclass(frozen=True, kw_only=True)
class Fill(Record):
    """A memset of `rows` rows of `row_bytes`."""

    call: str
    destination: int
    row_bytes: int
    rows: int
    value: int


@dataclass(frozen=True, kw_only=True)
class Allocation(Record):
    """Memory taken, or given back where `freed`.

    Attributes:
        bytes: as asked for.
        charged: to the device; 0 for memory of the host's own.
    """

    call: str
    address: int
    bytes: int
    charged: int
    memory: MemoryKind
    freed: bool


@dataclass(frozen=True, kw_only=True)
class GraphEvent(Record):
    """Something done with a graph: `capture` says which one it was captured as.

    Attributes:
        executable: of instantiate, update and launch; 0 else.
        nodes, kernel_nodes: of the graph; 0 when a capture begins.
    """

    action: GraphAction
    executable: int
    nodes: int
    kernel_nodes: int


@dataclass(frozen=True, kw_only=True)
class LibraryCall(Record):
    """A cuBLAS call; types and compute type as NVIDIA's library_types.h and cublas_api.h number."""

    call: str
    m: int
    n: int
    k: int
    batch: int
    type_a: int
    type_b: int
    type_c: int
    compute: int
    transpose_a: bool
    transpose_b: bool
    lda: int
    ldb: int
    ldc: int


@dataclass(frozen=True, kw_only=True)
class Mark(Record):
    """A label set by whoever reads the records."""

    label: str


@dataclass(frozen=True, kw_only=True)
class Refusal(Record):
    """A call that did not succeed; `status` is its cudaError_t or CUresult."""

    call: str
    status: int


AnyRecord = Launch | Copy | Fill | Allocation | GraphEvent | LibraryCall | Mark | Refusal


class _Fields:
    """A raw record, and what every kind of record has of it."""

    def __init__(
        self, raw: RawRecord, name: Callable[[int], str], demangled: Callable[[int], str]
    ) -> None:
        self.kind: int = raw.kind
        self.status: int = raw.status
        self.value: tuple[int, ...] = tuple(raw.value)
        self.name = name(raw.name)
        self.number: int = raw.name
        self.demangled = demangled
        self.common = {
            "sequence": raw.sequence,
            "device": raw.device,
            "stream": raw.stream,
            "capture": raw.capture,
            "thread": raw.thread,
        }


def read_record(
    raw: RawRecord, name: Callable[[int], str], demangled: Callable[[int], str]
) -> AnyRecord:
    """A record with its figures in their places.

    Args:
        raw: as drained.
        name: the text of a name's number.
        demangled: the same, demangled.
    """
    read = _READERS.get(raw.kind)
    if read is None:
        raise ValueError(f"record {raw.sequence} is of kind {raw.kind}, which is not known here")
    return read(_Fields(raw, name, demangled))


def _launch(fields: _Fields) -> Launch:
    value, flags, cluster = fields.value, fields.value[9], fields.value[10]
    return Launch(
        **fields.common,
        kernel=fields.name,
        demangled=fields.demangled(fields.number),
        grid=(value[0], value[1], value[2]),
        block=(value[3], value[4], value[5]),
        cluster=(cluster & 0xFFFF, cluster >> 16 & 0xFFFF, cluster >> 32 & 0xFFFF),
        dynamic_shared=value[6],
        static_shared=value[7],
        registers=value[8],
        resident_blocks=value[11],
        cooperative=bool(flags & _COOPERATIVE),
        programmatic=bool(flags & _PROGRAMMATIC),
        from_ptx=bool(flags & _FROM_PTX),
        estimated=bool(flags & _ESTIMATED),
    )


def _copy(fields: _Fields) -> Copy:
    destination, source, row_bytes, rows, direction, source_device = fields.value[:6]
    return Copy(
        **fields.common,
        call=fields.name,
        destination=destination,
        source=source,
        row_bytes=row_bytes,
        rows=rows,
        direction=_DIRECTIONS[direction],
        source_device=ctypes.c_int64(source_device).value,
    )


def _fill(fields: _Fields) -> Fill:
    destination, row_bytes, rows, value = fields.value[:4]
    return Fill(
        **fields.common,
        call=fields.name,
        destination=destination,
        row_bytes=row_bytes,
        rows=rows,
        value=value,
    )


def _allocation(fields: _Fields) -> Allocation:
    address, size, charged, memory = fields.value[:4]
    return Allocation(
        **fields.common,
        call=fields.name,
        address=address,
        bytes=size,
        charged=charged,
        memory=_MEMORY_KINDS[memory],
        freed=fields.kind == _FREED,
    )


def _graph_event(fields: _Fields) -> GraphEvent:
    executable, nodes, kernel_nodes = fields.value[:3]
    if fields.kind == _CAPTURE_ENDS:
        executable, nodes, kernel_nodes = 0, *fields.value[:2]
    return GraphEvent(
        **fields.common,
        action=_GRAPH_ACTIONS[fields.kind],
        executable=executable,
        nodes=nodes,
        kernel_nodes=kernel_nodes,
    )


def _library_call(fields: _Fields) -> LibraryCall:
    value = fields.value
    return LibraryCall(
        **fields.common,
        call=fields.name,
        m=value[0],
        n=value[1],
        k=value[2],
        batch=value[3],
        type_a=value[4],
        type_b=value[5],
        type_c=value[6],
        compute=value[7],
        transpose_a=bool(value[8]),
        transpose_b=bool(value[9]),
        lda=value[10] & 0xFFFFFFFF,
        ldb=value[10] >> 32,
        ldc=value[11],
    )


def _mark(fields: _Fields) -> Mark:
    return Mark(**fields.common, label=fields.name)


def _refusal(fields: _Fields) -> Refusal:
    return Refusal(**fields.common, call=fields.name, status=fields.status)


# By `llamaproof_record_kind` of native/shadow/shadow.h.
_READERS: dict[int, Callable[[_Fields], AnyRecord]] = {
    1: _launch,
    2: _copy,
    3: _fill,
    4: _allocation,
    _FREED: _allocation,
    **dict.fromkeys(_GRAPH_ACTIONS, _graph_event),
    11: _library_call,
    12: _mark,
    13: _refusal,
}
