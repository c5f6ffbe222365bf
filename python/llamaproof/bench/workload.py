"""The data and the graph of one cell, over as many layers and steps as it takes to measure it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from llamaproof.attention import cell as cells_
from llamaproof.attention import node
from llamaproof.bench.cells import Cell
from llamaproof.errors import LlamaproofError
from llamaproof.ggml import Device, Ggml, GgmlType, Graph, Stream, Tensor

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

# Random rows kept on the host; longer caches repeat them, at another offset in each layer.
_POOL_ROWS = 32768
# Scores of N(0, 1) inputs are N(0, 1) after scaling, so a softmax over a long context is nearly
# flat and its result nearly zero. Sharper queries keep the result well above rounding.
_QUERY_GAIN = 4.0


class OutOfMemory(LlamaproofError):
    """The cell's tensors do not fit on the device."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Host data of a cell's K/V cache and queries.

    Attributes:
        k: uint8 [rows, bytes of n_kv_heads K heads], in the cell's type.
        v: uint8 [rows, bytes of n_kv_heads V heads].
        q: float32 [n_tokens, n_heads, head_k].
    """

    k: Bytes
    v: Bytes
    q: Floats


def random_inputs(
    ggml: Ggml, cell: Cell, *, seed: int, rows: int | None = None, gains: Floats | None = None
) -> Inputs:
    """Normally distributed K, V and Q for a cell.

    For a latent cell (MLA) V is the part of K that the release's graph makes it: the last
    columns where V has a tensor of its own (0.3.16), else the first.

    Args:
        rows: K/V rows made; None is n_kv of the cell.
        gains: float32 [rows], the standard deviation of each row; None is 1 throughout.
    """
    rng = np.random.default_rng(seed)
    kind = GgmlType.parse(cell.kv_type)
    n_rows = cell.n_kv if rows is None else rows
    scale = np.ones(n_rows, dtype=np.float32) if gains is None else gains
    k = _encoded(ggml, kind, rng, scale, cell.n_kv_heads, cell.head_k)
    if cell.is_latent:
        start = cell.head_k - cell.head_v if ggml.kv_layout == "v_separate" else 0
        heads = k.reshape(n_rows, cell.n_kv_heads, -1)
        first = ggml.row_size(kind, start)
        v = heads[:, :, first : first + ggml.row_size(kind, cell.head_v)].reshape(n_rows, -1)
    else:
        v = _encoded(ggml, kind, rng, scale, cell.n_kv_heads, cell.head_v)
    return Inputs(k=k, v=np.ascontiguousarray(v), q=_queries(rng, cell))


def pool_rows(cell: Cell) -> int:
    """Rows of random data worth keeping for timing a cell."""
    return min(cell.n_kv, _POOL_ROWS)


def pool_key(cell: Cell) -> Cell:
    """Equal for cells that can share K/V data."""
    return replace(cell, gqa_ratio=1, n_tokens=1, n_kv=1, prompt=False)


def with_queries(inputs: Inputs, cell: Cell, *, seed: int) -> Inputs:
    """The same cache with queries for another cell."""
    return replace(inputs, q=_queries(np.random.default_rng(seed), cell))


def causal_mask(n_tokens: int, n_kv: int, rows: int, *, unused: int = 0) -> npt.NDArray[np.float16]:
    """float16 [rows, n_kv]: 0 where a token sees a cell, -inf elsewhere.

    The tokens are the newest of the cache. Rows beyond the tokens are padding, -inf throughout.

    Args:
        unused: cells at the end of the cache that no token sees yet.
    """
    last = np.full(rows, -1, dtype=np.int64)
    last[:n_tokens] = n_kv - unused - n_tokens + np.arange(n_tokens)
    hidden = np.arange(n_kv)[None, :] > last[:, None]
    mask: npt.NDArray[np.float16] = np.where(hidden, np.float16(-np.inf), np.float16(0))
    return mask


def kv_bytes(ggml: Ggml, cell: Cell) -> int:
    """Bytes of the K/V cache that a layer must read: K once, and V where it is no part of K."""
    kind = GgmlType.parse(cell.kv_type)
    columns = cell.head_k if cell.is_latent else cell.head_k + cell.head_v
    return ggml.row_size(kind, columns) * cell.n_kv_heads * cell.n_kv


def footprint(ggml: Ggml, cell: Cell) -> int:
    """Bytes a layer brings into the cache in a step of the cell, on average: K/V and result."""
    written = 4 * cell.n_tokens * cell.n_heads * cell.head_v
    mean = sum(cell.steps) // len(cell.steps)
    return kv_bytes(ggml, cell) * mean // cell.n_kv + written


def least_bytes(ggml: Ggml, cell: Cell) -> int:
    """Bytes a perfect kernel moves per layer: cache, queries and mask read once, result written."""
    per_token = 4 * cell.n_heads * (cell.head_k + cell.head_v)
    total = 0
    for n_kv in cell.steps:
        cache = kv_bytes(ggml, cell) * n_kv // cell.n_kv
        total += cache + cell.n_tokens * (per_token + 2 * n_kv)
    return total


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A cell's graph, ready to be computed on a device.

    Attributes:
        graph: `n_layers` times the steps of the cell, each layer on K/V of its own.
        outputs: the FLASH_ATTN_EXT nodes in graph order, f32 [head_v, n_heads, n_tokens, 1].
        allocated: bytes on the device.
    """

    graph: Graph
    outputs: tuple[Tensor, ...]
    n_layers: int
    allocated: int


def is_supported(ggml: Ggml, device: Device, cell: Cell) -> bool:
    """Whether the device's backend takes every FLASH_ATTN_EXT node of the cell (`supports_op`)."""
    with ggml.context() as described:
        cache = node.describe_cache(described, _node_cell(cell, cell.n_kv))
        q = described.tensor(GgmlType.F32, (cell.head_k, cell.n_heads, cell.n_tokens))
        for n_kv in {cell.steps[0], cell.steps[-1]}:
            mask = described.tensor(GgmlType.F16, (n_kv, ggml.mask_rows(cell.n_tokens)))
            attention = node.attend(described, _node_cell(cell, n_kv), cache, q, mask)
            if not device.supports_op(attention):
                return False
    return True


@contextlib.contextmanager
def opened(
    ggml: Ggml,
    device: Device,
    cell: Cell,
    inputs: Inputs,
    *,
    n_layers: int,
    unused: int = 0,
    mask: npt.NDArray[np.float16] | None = None,
) -> Iterator[Workload]:
    """Put a cell's tensors on a device, filled, for as long as the context lasts.

    Args:
        unused: cells at the end of the cache that the causal mask hides from every token.
        mask: float16 [mask rows, n_kv], in place of the causal one, for a cell of one step.
    Raises:
        OutOfMemory: the device has not enough memory for them.
    """
    n_nodes = n_layers * len(cell.steps)
    with ggml.context(n_tensors=16 + 8 * n_nodes, graph_size=16 + 8 * n_nodes) as described:
        rows = ggml.mask_rows(cell.n_tokens)
        q = described.tensor(GgmlType.F32, (cell.head_k, cell.n_heads, cell.n_tokens))
        masks = {n_kv: described.tensor(GgmlType.F16, (n_kv, rows)) for n_kv in cell.steps}
        whole = _node_cell(cell, cell.n_kv)
        caches = [node.describe_cache(described, whole) for _ in range(n_layers)]
        # All layers do one ubatch before the next begins, as in a model.
        nodes = tuple(
            node.attend(described, _node_cell(cell, n_kv), cache, q, masks[n_kv])
            for n_kv in cell.steps
            for cache in caches
        )
        graph = described.graph(*nodes)
        with contextlib.ExitStack() as held:
            try:
                allocated = held.enter_context(described.allocated(device))
            except LlamaproofError as error:
                raise OutOfMemory(str(error)) from error
            _upload(ggml, q, inputs.q.view(np.uint8))
            for n_kv, tensor in masks.items():
                values = causal_mask(cell.n_tokens, n_kv, rows, unused=unused)
                _upload(ggml, tensor, (values if mask is None else mask).view(np.uint8))
            for index, cache in enumerate(caches):
                _fill(ggml, cache.k, inputs.k, cell.n_kv, index)
                if cache.v is not None:
                    _fill(ggml, cache.v, inputs.v, cell.n_kv, index)
            yield Workload(graph=graph, outputs=nodes, n_layers=n_layers, allocated=allocated)


def layers_beyond_cache(per_layer: int, cache_bytes: int, *, most: int) -> int:
    """Layers to cycle through so that K/V read once is gone from the cache when it comes again.

    Three times the cache: its replacement is no strict LRU and its slices are hashed.

    Args:
        per_layer: bytes that one layer brings into the cache.
    """
    return max(1, min(most, math.ceil(3 * cache_bytes / per_layer)))


def compute_outputs(ggml: Ggml, stream: Stream, workload: Workload, cell: Cell) -> Floats:
    """Compute once and read the last node: float32 [n_tokens, n_heads, head_v].

    The result's memory holds NaN before, so that an element never written shows.
    """
    output = workload.outputs[-1]
    shape = (cell.n_tokens, cell.n_heads, cell.head_v)
    ggml.tensor_set(output, np.full(shape, np.nan, dtype=np.float32))
    stream.compute(workload.graph)
    return np.frombuffer(ggml.tensor_get(output), dtype=np.float32).reshape(shape)


def decoded(ggml: Ggml, kind: GgmlType, data: Bytes, columns: int) -> Floats:
    """Rows of a type as float32 [rows, columns], by the CPU backend's own conversion."""
    if kind is GgmlType.F16:
        return np.ascontiguousarray(data).view(np.float16).reshape(-1, columns).astype(np.float32)
    cpu = ggml.device("CPU")
    if cpu is None:
        raise LlamaproofError("the libraries have no CPU backend", where=ggml.lib_dir)
    rows = data.size // ggml.row_size(kind, columns)
    with ggml.context() as described, cpu.backend_stream() as stream:
        source = described.tensor(kind, (columns, rows))
        result = described.cast(source, GgmlType.F32)
        graph = described.graph(result)
        with described.allocated(cpu):
            _upload(ggml, source, data)
            stream.compute(graph)
            values = np.frombuffer(ggml.tensor_get(result), dtype=np.float32)
    return values.reshape(rows, columns)


def _queries(rng: np.random.Generator, cell: Cell) -> Floats:
    shape = (cell.n_tokens, cell.n_heads, cell.head_k)
    q: Floats = rng.standard_normal(shape, dtype=np.float32)
    q *= np.float32(_QUERY_GAIN)
    return q


def _encoded(
    ggml: Ggml, kind: GgmlType, rng: np.random.Generator, gains: Floats, heads: int, columns: int
) -> Bytes:
    rows = len(gains)
    values = rng.standard_normal((rows * heads, columns), dtype=np.float32)
    values *= np.repeat(gains, heads)[:, None]
    if kind is GgmlType.F16:
        return values.astype(np.float16).view(np.uint8).reshape(rows, -1)
    return np.frombuffer(ggml.quantize(kind, values), dtype=np.uint8).reshape(rows, -1)


def _node_cell(cell: Cell, n_kv: int) -> cells_.Cell:
    """The cell as the node of one of its steps."""
    kind = GgmlType.parse(cell.kv_type)
    return cells_.Cell(
        heads=cell.heads,
        type_k=kind,
        type_v=kind,
        extras=cells_.PLAIN,
        ratio=cell.gqa_ratio,
        n_tokens=cell.n_tokens,
        n_kv=n_kv,
        n_kv_heads=cell.n_kv_heads,
    )


def _fill(ggml: Ggml, tensor: Tensor, rows: Bytes, n_kv: int, layer: int) -> None:
    """Write `n_kv` rows, repeating the given ones from another start in each layer."""
    row_bytes = rows.shape[1]
    start = layer * 977 % len(rows) if len(rows) < n_kv or layer else 0
    done = 0
    while done < n_kv:
        part = rows[start : start + n_kv - done]
        _upload(ggml, tensor, part, offset=done * row_bytes)
        done += len(part)
        start = 0


def _upload(ggml: Ggml, tensor: Tensor, data: npt.NDArray[np.uint8], *, offset: int = 0) -> None:
    flat = np.ascontiguousarray(data)
    ggml.call("ggml_backend_tensor_set", tensor, flat.ctypes.data, offset, flat.nbytes)
