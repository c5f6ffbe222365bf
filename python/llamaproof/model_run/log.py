"""What llama.cpp says in its log about a model: graphs by node and device, splits, buffers.

The scheduler prints every graph it splits when GGML_SCHED_DEBUG is 2
(`ggml_backend_sched_print_assignments` in ggml-backend.cpp, alike from 0.3.16 to 0.3.36). Its
columns have fixed widths, which is what the patterns below rely on: names are cut at 20
characters, operations at 10, devices at 5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

CPU = "CPU"

# GGML_OP_FLASH_ATTN_EXT, cut at the width of its column
FLASH_ATTENTION = "FLASH_ATTN"

# The worker begins each line of the log that is a warning or an error with these.
WARNING_MARK = "\x01"
ERROR_MARK = "\x02"

BufferKind = Literal["weights", "kv", "state", "compute", "output"]

_SPLIT = re.compile(r"^## SPLIT #(\d+): (\S+) # (\d+) inputs")
_NODE = re.compile(
    r"^node #\s*(?P<index>\d+) \((?P<op>.{10})\): (?P<name>.{20}) \(.{5}\) "
    r"\[(?P<device>.{5}) .{8}\] use=\d+[^:]*:(?P<sources>.*)"
)
_SOURCE = re.compile(r" (?P<name>.{20}) \(.{5}\) \[(?P<device>.{5}) .{8}\]")
_BUFFER = re.compile(r": +(?P<device>\S+) +(?P<kind>\S.*?)? *buffer size = +(?P<mib>[\d.]+) MiB")
_CACHE_LAYER = re.compile(r"cache_[kv]_l(\d+)")
_NAME_LAYER = re.compile(r"-(\d+)$")

_BUFFER_KINDS: dict[str, BufferKind] = {
    "model": "weights",
    "KV": "kv",
    "RS": "state",
    "compute": "compute",
    "output": "output",
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """A tensor that a node reads."""

    name: str
    device: str


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node of a graph and where the scheduler put it; views are not printed.

    Attributes:
        op: ggml's name of the operation, at most 10 characters.
        name: of the tensor, at most 20 characters.
        device: the backend's name: `CPU`, `CUDA0`, at most 5 characters.
    """

    index: int
    op: str
    name: str
    device: str
    sources: tuple[Source, ...]

    @property
    def layer(self) -> int | None:
        """The layer it belongs to, where its name or a KV cache it reads tells."""
        for text in (self.name, *(source.name for source in self.sources)):
            match = _CACHE_LAYER.search(text) or _NAME_LAYER.search(text)
            if match:
                return int(match.group(1))
        return None


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A graph as it was split: the device of each split in order, and the nodes."""

    splits: tuple[str, ...]
    nodes: tuple[Node, ...]

    @property
    def attention(self) -> tuple[Node, ...]:
        """The flash-attention nodes, in order."""
        return tuple(node for node in self.nodes if node.op == FLASH_ATTENTION)

    @property
    def on_cpu(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.device == CPU)


@dataclass(frozen=True, kw_only=True)
class Buffer:
    """Memory that llama.cpp reports: `device` is the buffer's name, as in CUDA0 or CPU_Mapped."""

    kind: BufferKind
    device: str
    mib: float


def graphs(log: str) -> tuple[Graph, ...]:
    """Every graph that a log printed, in order."""
    found: list[tuple[list[str], list[Node]]] = []
    for line in log.splitlines():
        split = _SPLIT.match(line)
        if split:
            if split.group(1) == "0":
                found.append(([], []))
            if found:
                found[-1][0].append(split.group(2))
            continue
        match = _NODE.match(line)
        if match and found:
            found[-1][1].append(_node(match))
    return tuple(Graph(splits=tuple(splits), nodes=tuple(nodes)) for splits, nodes in found)


def buffers(log: str) -> tuple[Buffer, ...]:
    """Every buffer that a log reports, in order."""
    return tuple(_buffers(log))


def marked_lines(log: str, marks: str = WARNING_MARK + ERROR_MARK) -> tuple[str, ...]:
    """The warnings and errors of a log, or those with the marks asked for, each once."""
    found = (line[1:].strip() for line in log.splitlines() if line[:1] and line[0] in marks)
    return tuple(dict.fromkeys(line for line in found if line))


def without_marks(log: str) -> str:
    """A log as llama.cpp wrote it."""
    return log.replace(WARNING_MARK, "").replace(ERROR_MARK, "")


def _buffers(log: str) -> Iterator[Buffer]:
    for match in _BUFFER.finditer(log):
        words = match["kind"] or ""
        kind = _BUFFER_KINDS.get(words, "state" if words.endswith("state") else None)
        if kind is not None:
            yield Buffer(kind=kind, device=match["device"], mib=float(match["mib"]))


def _node(match: re.Match[str]) -> Node:
    sources = tuple(
        Source(name=source["name"].strip(), device=source["device"].strip())
        for source in _SOURCE.finditer(match["sources"])
    )
    return Node(
        index=int(match["index"]),
        op=match["op"].strip(),
        name=match["name"].strip(),
        device=match["device"].strip(),
        sources=sources,
    )
