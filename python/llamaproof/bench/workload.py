"""The graph of a point, over as many layers and steps as it takes to measure it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from llamaproof.attention import compute, node
from llamaproof.attention.cell import Cell
from llamaproof.attention.inputs import (
    Bytes,
    CacheRows,
    Floats,
)
from llamaproof.attention.seen import causal_mask
from llamaproof.bench.points import Point
from llamaproof.ggml import Device, Ggml, Graph, Tensor

# Random rows kept on the host; longer caches repeat them, at another offset in each layer.
_POOL_ROWS = 32768


def pool_rows(cell: Cell) -> int:
    """Rows of random data worth keeping for timing a cell."""
    return min(cell.cache_rows, _POOL_ROWS)


def pool_key(cell: Cell) -> Cell:
    """Equal for cells that can share K/V data."""
    return replace(cell, ratio=1, n_tokens=1, n_kv=1)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A point's graph, ready to be computed on a device.

    Attributes:
        graph: `n_layers` times the steps of the point, each layer on K/V of its own.
        allocated: bytes on the device.
    """

    graph: Graph
    n_layers: int
    allocated: int


def is_supported(ggml: Ggml, device: Device, point: Point) -> bool:
    """Whether the device's backend takes every FLASH_ATTN_EXT node of the point (`supports_op`)."""
    ends = {point.steps[0], point.steps[-1]}
    return all(compute.is_supported(ggml, device, step) for step in ends)


@contextlib.contextmanager
def opened(
    ggml: Ggml, device: Device, point: Point, rows: CacheRows, queries: Floats, *, n_layers: int
) -> Iterator[Workload]:
    """Put a point's tensors on a device, filled, for as long as the context lasts.

    Args:
        rows: a cache that is longer repeats them.
        queries: float32 [n_streams * n_tokens, n_heads, DKQ]

    Raises:
        OutOfMemory: the device has not enough memory for them.
    """
    cell = point.cell
    with node.context_for(ggml, n_nodes=n_layers * len(point.steps)) as described:
        layers = node.build_layers(described, point.steps, n_layers=n_layers)
        graph = described.graph(*layers.nodes)
        with described.allocated(device) as allocated:
            ggml.tensor_set(layers.q, queries)
            for n_kv, mask in layers.masks.items():
                of_stream = causal_mask(cell.n_tokens, n_kv, ggml.mask_rows(cell.n_tokens))
                ggml.tensor_set(mask, np.tile(of_stream, (cell.n_streams, 1)))
            for layer, cache in enumerate(layers.caches):
                _fill(ggml, cache.k, rows.k, cell.cache_rows, layer)
                if cache.v is not None and rows.v is not None:
                    _fill(ggml, cache.v, rows.v, cell.cache_rows, layer)
            yield Workload(graph=graph, n_layers=n_layers, allocated=allocated)


def _fill(ggml: Ggml, tensor: Tensor, rows: Bytes, n_rows: int, layer: int) -> None:
    """Write `n_rows` rows, repeating the given ones from another start in each layer."""
    row_bytes = rows.shape[1]
    start = layer * 977 % len(rows) if len(rows) < n_rows or layer else 0
    done = 0
    while done < n_rows:
        part = rows[start : start + n_rows - done]
        ggml.tensor_set_part(tensor, part, offset=done * row_bytes)
        done += len(part)
        start = 0
