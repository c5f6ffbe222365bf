"""One attention cell, computed on a device of the target's own libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from llamaproof.attention import node
from llamaproof.attention.cell import Cell
from llamaproof.attention.inputs import Inputs
from llamaproof.ggml import Device, Ggml, Stream, Tensor

# Tensor and node descriptions in the graph of one cell, with room to spare.
_N_TENSORS = 32

Floats = npt.NDArray[np.float32]


def is_supported(library: Ggml, device: Device, cell: Cell) -> bool:
    """Whether the device's backend takes the cell's node (`supports_op`)."""
    with library.context(n_tensors=_N_TENSORS, graph_size=_N_TENSORS) as context:
        return device.supports_op(node.build(context, cell).node)


def compute(library: Ggml, device: Device, stream: Stream, cell: Cell, inputs: Inputs) -> Floats:
    """The node's result on a device: float32 [n_tokens, n_heads, DV].

    Each tensor has an allocation of its own: a read past the end of the cache is out of bounds.
    """
    with library.context(n_tensors=_N_TENSORS, graph_size=_N_TENSORS) as context:
        attention = node.build(context, cell)
        graph = context.graph(attention.node)
        a = attention
        apart = [t for t in (a.q, a.k, a.v, a.mask, a.sinks, a.node) if t is not None]
        with context.allocated_apart(device, apart):
            _fill(library, attention, inputs)
            stream.compute(graph)
            raw = library.tensor_get(attention.node)
    shape = (cell.n_tokens, cell.ratio * cell.n_kv_heads, cell.heads.v)
    return np.frombuffer(raw, dtype=np.float32).reshape(shape)


def _fill(library: Ggml, attention: node.AttentionNode, inputs: Inputs) -> None:
    pairs: tuple[tuple[Tensor | None, Any], ...] = (
        (attention.q, inputs.q),
        (attention.k, inputs.k),
        (attention.v, inputs.v),
        (attention.mask, inputs.mask),
        (attention.sinks, inputs.sinks),
    )
    for tensor, data in pairs:
        if tensor is not None and data is not None:
            library.tensor_set(tensor, data)
