"""A cell's FLASH_ATTN_EXT node, its tensors laid out as llama.cpp lays them out.

From `build_attn_mha` and `build_attn` in llama-graph.cpp, and `get_k` and `get_v` in
llama-kv-cache.cpp (llama-kv-cache-unified.cpp in 0.3.16), of llama-cpp-python 0.3.16, 0.3.17 and
0.3.36.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from llamaproof.attention.cell import Cell
from llamaproof.attention.v_in_k import columns_of_v, is_view, place_of_v, type_of_v
from llamaproof.ggml import Context, Ggml, GgmlType, Tensor

_SWAP_TOKENS_WITH_HEADS = (0, 2, 1, 3)


@dataclass(frozen=True, kw_only=True)
class AttentionNode:
    """A node and the tensors that hold its inputs, as they lie in memory.

    Attributes:
        node: f32 [DV, n_heads, n_tokens, n_streams]
        q: f32 [DKQ, n_heads, n_streams * n_tokens]
        k: the cache of K, [DKQ * n_kv_heads, kv_size, n_streams]
        v: the cache of V, [DV * n_kv_heads, kv_size, n_streams]; None where V is a view of K.
        mask: f16 [n_kv, rows, 1, n_streams]; None without a mask.
        sinks: f32 [n_heads]; None without sinks.
    """

    node: Tensor
    q: Tensor
    k: Tensor
    v: Tensor | None
    mask: Tensor | None
    sinks: Tensor | None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that are there, the result among them."""
        every = (self.q, self.k, self.v, self.mask, self.sinks, self.node)
        return tuple(tensor for tensor in every if tensor is not None)


@dataclass(frozen=True, kw_only=True)
class Cache:
    """A K/V cache as it lies in memory, with room for `n_cells` tokens in each stream.

    With odd strides each row has one more block in front.

    Attributes:
        k: [DKQ * n_kv_heads, n_cells, n_streams]
        v: [DV * n_kv_heads, n_cells, n_streams]; None where V is a view of K.
    """

    k: Tensor
    v: Tensor | None
    n_cells: int


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The nodes of several layers, each layer on a cache of its own, and of several steps.

    Attributes:
        nodes: all layers do one step before the next begins, as in a model.
        q: f32 [DKQ, n_heads, n_streams * n_tokens], of every node.
        masks: f16 [n_kv, rows, 1, n_streams], by n_kv.
    """

    nodes: tuple[Tensor, ...]
    q: Tensor
    caches: tuple[Cache, ...]
    masks: Mapping[int, Tensor]


def context_for(library: Ggml, *, n_nodes: int = 1) -> AbstractContextManager[Context]:
    """A context with room for some nodes, their tensors and views, and one graph of them."""
    room = 24 + 8 * n_nodes
    return library.context(n_tensors=room, graph_size=room)


def build(context: Context, cell: Cell) -> AttentionNode:
    """Describe a cell's node and tensors, without memory."""
    q = _queries(context, cell)
    cache = _describe_cache(context, cell)
    mask = _mask(context, cell) if cell.extras.mask else None
    sinks = context.tensor(GgmlType.F32, (cell.n_heads,)) if cell.extras.sinks else None
    node = _attend(context, cell, cache, q, mask, sinks)
    return AttentionNode(node=node, q=q, k=cache.k, v=cache.v, mask=mask, sinks=sinks)


def build_layers(context: Context, steps: Sequence[Cell], *, n_layers: int) -> Layers:
    """Describe the nodes of layers in several steps, without memory.

    Args:
        steps: cells that differ in n_kv alone, the longest last; with a mask and no sinks.
    """
    q = _queries(context, steps[-1])
    masks = {step.n_kv: _mask(context, step) for step in steps}
    caches = tuple(_describe_cache(context, steps[-1]) for _ in range(n_layers))
    nodes = tuple(
        _attend(context, step, cache, q, masks[step.n_kv]) for step in steps for cache in caches
    )
    return Layers(nodes=nodes, q=q, caches=caches, masks=masks)


def front_elements(cell: Cell, kind: GgmlType) -> int:
    """Elements in front of each row of a cache: one block where strides are to be odd."""
    return kind.block_size if cell.layout == "odd strides" else 0


def _queries(context: Context, cell: Cell) -> Tensor:
    return context.tensor(GgmlType.F32, (cell.heads.k, cell.n_heads, cell.all_tokens))


def _by_stream(context: Context, q: Tensor, cell: Cell) -> Tensor:
    """Queries as `build_attn_mha` splits them: [DKQ, n_heads, n_tokens, n_streams]."""
    if cell.n_streams == 1:
        return q
    head = context.ggml.row_size(GgmlType.F32, cell.heads.k)
    token = head * cell.n_heads
    shape = (cell.heads.k, cell.n_heads, cell.n_tokens, cell.n_streams)
    return context.view(q, shape, (head, token, token * cell.n_tokens))


def _describe_cache(context: Context, cell: Cell) -> Cache:
    """Describe a cache that holds a cell's K and V and no more."""

    def rows(kind: GgmlType, head: int) -> Tensor:
        columns = head * cell.n_kv_heads + front_elements(cell, kind)
        return context.tensor(kind, (columns, cell.kv_size, cell.n_streams))

    k = rows(cell.type_k, cell.heads.k)
    v = None if is_view(context.ggml, cell) else rows(cell.type_v, cell.heads.v)
    return Cache(k=k, v=v, n_cells=cell.kv_size)


def _attend(
    context: Context,
    cell: Cell,
    cache: Cache,
    q: Tensor,
    mask: Tensor | None,
    sinks: Tensor | None = None,
) -> Tensor:
    """The node of a cell on tensors that are there: f32 [DV, n_heads, n_tokens, n_streams].

    Args:
        cache: of at least the cell's n_kv tokens; the first n_kv are seen.
        q: f32 [DKQ, n_heads, n_streams * n_tokens]
        mask: f16 [n_kv, rows, 1, n_streams]
        sinks: f32 [n_heads]
    """
    k_seen = _seen(context, cache.k, cell.type_k, cell.heads.k, cell, cache.n_cells)
    k = _attended(context, k_seen, cell.type_k)
    return context.flash_attn_ext(
        context.permute(_by_stream(context, q, cell), _SWAP_TOKENS_WITH_HEADS),
        k,
        _attended_v(context, cell, cache, k_seen, k),
        mask,
        scale=1.0 / math.sqrt(cell.heads.k),
        max_bias=cell.extras.max_bias,
        logit_softcap=cell.extras.softcap,
        sinks=sinks,
    )


def _attended_v(context: Context, cell: Cell, cache: Cache, k_seen: Tensor, k: Tensor) -> Tensor:
    """V as the node gets it: of its own cache, or a part of K.

    Args:
        k_seen: the cells of K that are seen.
        k: K as the node gets it.
    """
    if cache.v is not None:
        seen = _seen(context, cache.v, cell.type_v, cell.heads.v, cell, cache.n_cells)
        return _attended(context, seen, cell.type_v)
    if cell.type_k is GgmlType.F32 and place_of_v(context.ggml, cell) == "last of K":
        return _last_of_cast(context, k, cell)
    seen = _part_of(context, k_seen, cell, cache.n_cells)
    return _attended(context, seen, type_of_v(context.ggml, cell))


def _last_of_cast(context: Context, k: Tensor, cell: Cell) -> Tensor:
    """V as the last columns of a K that was cast to f16: it is cast no second time."""
    shape = (cell.heads.v, cell.n_kv, cell.n_kv_heads, cell.n_streams)
    row = context.ggml.row_size(GgmlType.F16, cell.heads.k)
    head = row * cell.n_kv
    start = context.ggml.row_size(GgmlType.F16, cell.heads.k - cell.heads.v)
    return context.view(k, shape, (row, head, head * cell.n_kv_heads), start)


def _seen(
    context: Context, cache: Tensor, kind: GgmlType, head: int, cell: Cell, n_cells: int
) -> Tensor:
    """The cells that are seen, as `get_k` has it: [head, n_kv_heads, n_kv, n_streams]."""
    shape = (head, cell.n_kv_heads, cell.n_kv, cell.n_streams)
    front = context.ggml.row_size(kind, front_elements(cell, kind))
    return context.view(cache, shape, _strides(context.ggml, kind, head, cell, n_cells), front)


def _part_of(context: Context, k_seen: Tensor, cell: Cell, n_cells: int) -> Tensor:
    """V as some of the columns of K, with K's strides."""
    shape = (cell.heads.v, cell.n_kv_heads, cell.n_kv, cell.n_streams)
    strides = _strides(context.ggml, cell.type_k, cell.heads.k, cell, n_cells)
    return context.view(k_seen, shape, strides, columns_of_v(context.ggml, cell).start)


def _strides(
    ggml: Ggml, kind: GgmlType, head: int, cell: Cell, n_cells: int
) -> tuple[int, int, int]:
    """Bytes from one head to the next, from one cell, and from one stream."""
    cell_bytes = ggml.row_size(kind, head * cell.n_kv_heads + front_elements(cell, kind))
    return ggml.row_size(kind, head), cell_bytes, cell_bytes * n_cells


def _attended(context: Context, seen: Tensor, kind: GgmlType) -> Tensor:
    """K or V as the node gets it: [head, n_kv, n_kv_heads, n_streams].

    llama.cpp casts f32 to f16.
    """
    permuted = context.permute(seen, _SWAP_TOKENS_WITH_HEADS)
    return context.cast(permuted, GgmlType.F16) if kind is GgmlType.F32 else permuted


def _mask(context: Context, cell: Cell) -> Tensor:
    rows = context.ggml.mask_rows(cell.n_tokens)
    return context.tensor(GgmlType.F16, (cell.n_kv, rows, 1, cell.n_streams))
