"""Bytes that a point moves: what a perfect kernel must, and what a layer brings into a cache."""

from __future__ import annotations

import math

from llamaproof.attention.cell import Cell
from llamaproof.attention.v_in_k import place_of_v
from llamaproof.bench.points import Point
from llamaproof.ggml import Ggml


def kv_bytes(ggml: Ggml, cell: Cell) -> int:
    """Bytes of the K/V cache that a layer must read: K once, and V where it is no part of K."""
    k = ggml.row_size(cell.type_k, cell.heads.k)
    v = ggml.row_size(cell.type_v, cell.heads.v) if place_of_v(ggml, cell) == "apart" else 0
    return (k + v) * cell.n_kv_heads * cell.n_kv * cell.n_streams


def footprint(ggml: Ggml, point: Point) -> int:
    """Bytes a layer brings into the cache in a step of the point, on average: K/V and result."""
    cell = point.cell
    written = 4 * cell.all_tokens * cell.n_heads * cell.heads.v
    mean = sum(step.n_kv for step in point.steps) // len(point.steps)
    return kv_bytes(ggml, cell) * mean // cell.n_kv + written


def least_bytes(ggml: Ggml, point: Point) -> int:
    """Bytes a perfect kernel moves per layer: cache, queries and mask read once, result written."""
    cell = point.cell
    per_token = 4 * cell.n_heads * (cell.heads.k + cell.heads.v)
    return sum(
        kv_bytes(ggml, step) + cell.all_tokens * (per_token + 2 * step.n_kv) for step in point.steps
    )


def layers_beyond_cache(per_layer: int, cache_bytes: int, *, most: int) -> int:
    """Layers to cycle through so that K/V read once is gone from the cache when it comes again.

    Three times the cache: its replacement is no strict LRU and its slices are hashed.

    Args:
        per_layer: bytes that one layer brings into the cache.
    """
    return max(1, min(most, math.ceil(3 * cache_bytes / per_layer)))
