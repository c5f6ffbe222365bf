"""One attention cell, computed on a device of the target's own libraries."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from llamaproof.attention import node
from llamaproof.attention.cell import Cell
from llamaproof.attention.inputs import Bytes, Floats, Inputs
from llamaproof.ggml import Device, Ggml, GgmlType, Graph, Stream, Tensor


def is_supported(library: Ggml, device: Device, cell: Cell) -> bool:
    """Whether the device's backend takes the cell's node (`supports_op`)."""
    with node.context_for(library) as context:
        return device.supports_op(node.build(context, cell).node)


@dataclass(frozen=True, kw_only=True)
class PlacedCell:
    """A cell's tensors on a device, filled."""

    library: Ggml
    cell: Cell
    graph: Graph
    result: Tensor

    def compute(self, stream: Stream) -> Floats:
        """The node's result: float32 [n_streams * n_tokens, n_heads, DV]."""
        stream.compute(self.graph)
        raw = self.library.tensor_get(self.result)
        return np.frombuffer(raw, dtype=np.float32).reshape(self._shape)

    def forget(self) -> None:
        """Fill the result's memory with NaN, so that an element that is not written shows."""
        self.library.tensor_set(self.result, np.full(self._shape, np.nan, dtype=np.float32))

    @property
    def _shape(self) -> tuple[int, int, int]:
        return (self.cell.all_tokens, self.cell.n_heads, self.cell.heads.v)


@contextlib.contextmanager
def placed(library: Ggml, device: Device, cell: Cell, inputs: Inputs) -> Iterator[PlacedCell]:
    """Put a cell on a device for as long as the context lasts.

    Each tensor has an allocation of its own: a read past the end of the cache is out of bounds.

    Raises:
        OutOfMemory: the device has not enough memory for it.
    """
    with node.context_for(library) as context:
        attention = node.build(context, cell)
        graph = context.graph(attention.node)
        with context.allocated_apart(device, attention.tensors):
            _fill(library, attention, cell, inputs)
            yield PlacedCell(library=library, cell=cell, graph=graph, result=attention.node)


def compute(library: Ggml, device: Device, stream: Stream, cell: Cell, inputs: Inputs) -> Floats:
    """The node's result on a device: float32 [n_streams * n_tokens, n_heads, DV]."""
    with placed(library, device, cell, inputs) as ready:
        return ready.compute(stream)


def _fill(library: Ggml, attention: node.AttentionNode, cell: Cell, inputs: Inputs) -> None:
    def rows_of(kind: GgmlType, rows: Bytes | None) -> Bytes | None:
        front = library.row_size(kind, node.front_elements(cell, kind))
        # What lies between rows is no value of the node's.
        return None if rows is None else np.pad(rows, ((0, 0), (front, 0)), constant_values=0xFF)

    pairs: tuple[tuple[Tensor | None, Any], ...] = (
        (attention.q, inputs.q),
        (attention.k, rows_of(cell.type_k, inputs.cache.k)),
        (attention.v, rows_of(cell.type_v, inputs.cache.v)),
        (attention.mask, inputs.mask),
        (attention.sinks, inputs.sinks),
    )
    for tensor, data in pairs:
        if tensor is not None and data is not None:
            library.tensor_set(tensor, data)
