"""Host data for attention: K/V caches, queries and masks on which a wrong kernel shows."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from llamaproof.attention.cell import Cell
from llamaproof.ggml import Ggml, GgmlType

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.float16]

# Scores of N(0, 1) inputs are N(0, 1) after scaling: their softmax is nearly flat and its result
# nearly zero. Sharper queries keep the result well above rounding.
_QUERY_GAIN = 4.0
# With quantised K both backends round the query to 8 bits, in different places: the CUDA kernels
# subtract a block's offset from the sum of what was not yet rounded (`Q_ds.y` in fattn-common.cuh).
# That moves scores in proportion to the query, by more than ggml's limit at a gain of 4.
_QUERY_GAIN_QUANTISED = 1.0
# Cells that nobody sees hold data, as after a context shift, so loud that one of them drowns the
# result of a kernel that reads it.
_HIDDEN_GAIN = 30.0
# The most cells at the end of a cache that nobody sees: llama.cpp rounds n_kv up to 256, so that
# kernels always meet some; of 512, more than one whole step of theirs.
_MOST_HIDDEN = 512


@dataclass(frozen=True, kw_only=True)
class CacheRows:
    """Rows of a K/V cache, one for each cell of it, in their own types.

    Attributes:
        k: uint8 [rows, bytes of n_kv_heads K heads]
        v: uint8 [rows, bytes of n_kv_heads V heads]; None where V is a view of K.
    """

    k: Bytes
    v: Bytes | None


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a cell's tensors hold, in their own types.

    Attributes:
        q: float32 [n_tokens, n_heads, DKQ]
        cache: n_kv rows.
        mask: float16 [rows, n_kv]; None without a mask.
        sinks: float32 [n_heads]; None without sinks.
    """

    q: Floats
    cache: CacheRows
    mask: Mask | None
    sinks: Floats | None

    def of_tokens(self, ggml: Ggml, chosen: npt.NDArray[np.int64]) -> Inputs:
        """The same cache and some of the query tokens, by their indices."""
        mask = self.mask
        if mask is not None:
            padded = np.full((ggml.mask_rows(len(chosen)), mask.shape[1]), -np.inf, np.float16)
            padded[: len(chosen)] = mask[chosen]
            mask = padded
        return replace(self, q=np.ascontiguousarray(self.q[chosen]), mask=mask)


def random_inputs(ggml: Ggml, cell: Cell) -> Inputs:
    """Normally distributed data, the same for a cell whenever and wherever it is made.

    Where K and V come from one latent, V is the part of K that the release's graph makes it: a
    kernel may read either.

    Each query looks at the first cell, at the last it may see and at the one after that: among
    hundreds of random cells one that is left out, or seen by mistake, would move the result by less
    than the limit on the error. Cells at the end that no query may see are loud.
    """
    rng = np.random.default_rng(_seed(cell))
    k = _random_rows(rng, cell.n_kv, cell.n_kv_heads * cell.heads.k)
    v = None if cell.heads.latent else _random_rows(rng, cell.n_kv, cell.n_kv_heads * cell.heads.v)
    q = random_queries(cell, rng)
    q += _looks(cell, k)
    hidden = slice(cell.n_kv - _unused(cell), cell.n_kv)
    for rows in (k, v):
        if rows is not None:
            rows[hidden] *= _HIDDEN_GAIN
    return Inputs(
        q=q,
        cache=_encoded(ggml, cell, k, v),
        mask=_mask(ggml, cell) if cell.extras.mask else None,
        sinks=rng.standard_normal(cell.n_heads, dtype=np.float32) if cell.extras.sinks else None,
    )


def flat_inputs(ggml: Ggml, cell: Cell, *, mean: np.float32) -> Inputs:
    """Data on which attention is flat: queries of zero, and V around a mean.

    Args:
        mean: of V; its values are spread evenly over 5% on either side.
    """
    rng = np.random.default_rng(_seed(cell))
    columns = cell.n_kv_heads * (cell.heads.k if cell.heads.latent else cell.heads.v)
    v = mean * rng.uniform(0.95, 1.05, (cell.n_kv, columns)).astype(np.float32)
    k = v if cell.heads.latent else _random_rows(rng, cell.n_kv, cell.n_kv_heads * cell.heads.k)
    return Inputs(
        q=np.zeros((cell.n_tokens, cell.n_heads, cell.heads.k), np.float32),
        cache=_encoded(ggml, cell, k, None if cell.heads.latent else v),
        mask=_mask(ggml, cell) if cell.extras.mask else None,
        sinks=np.zeros(cell.n_heads, np.float32) if cell.extras.sinks else None,
    )


def random_cache(ggml: Ggml, cell: Cell, rng: np.random.Generator, *, n_rows: int) -> CacheRows:
    """Rows that are all alike: for what is timed or counted, and not compared."""
    k = _random_rows(rng, n_rows, cell.n_kv_heads * cell.heads.k)
    v = None if cell.heads.latent else _random_rows(rng, n_rows, cell.n_kv_heads * cell.heads.v)
    return _encoded(ggml, cell, k, v)


def random_queries(cell: Cell, rng: np.random.Generator) -> Floats:
    """Queries that look at nothing: float32 [n_tokens, n_heads, DKQ]."""
    shape = (cell.n_tokens, cell.n_heads, cell.heads.k)
    queries: Floats = rng.standard_normal(shape, dtype=np.float32)
    queries *= np.float32(_gain(cell.type_k))
    return queries


def causal_mask(n_tokens: int, n_kv: int, rows: int, *, unused: int = 0) -> Mask:
    """float16 [rows, n_kv]: 0 where a token sees a cell, -inf elsewhere.

    The tokens are the newest of the cache. Rows beyond the tokens are padding, -inf throughout.

    Args:
        unused: cells at the end of the cache that no token sees.
    """
    last = np.full(rows, -1, dtype=np.int64)
    last[:n_tokens] = n_kv - unused - n_tokens + np.arange(n_tokens)
    hidden: npt.NDArray[Any] = np.arange(n_kv)[None, :] > last[:, None]
    mask: Mask = np.zeros(hidden.shape, np.float16)
    mask[hidden] = -np.inf
    return mask


def _seed(cell: Cell) -> int:
    """Of a text that is kept as it is: another one changes the data, and recordings with it."""
    extras = f" with {cell.extras}" if str(cell.extras) else ""
    shape = f"{cell.heads}@{cell.ratio}:{cell.types}#{cell.n_tokens}"
    return zlib.crc32(f"{shape} (n_kv {cell.n_kv}){extras}".encode())


def _gain(kind: GgmlType) -> float:
    return _QUERY_GAIN if kind.block_size == 1 else _QUERY_GAIN_QUANTISED


def _unused(cell: Cell) -> int:
    """Cells at the end of the cache that nobody sees: a ninth of it, which is no round number."""
    if not cell.extras.mask:
        return 0
    return min(cell.n_kv // 9, _MOST_HIDDEN, cell.n_kv - cell.n_tokens)


def _mask(ggml: Ggml, cell: Cell) -> Mask:
    rows = ggml.mask_rows(cell.n_tokens)
    return causal_mask(cell.n_tokens, cell.n_kv, rows, unused=_unused(cell))


def _random_rows(rng: np.random.Generator, n_rows: int, columns: int) -> Floats:
    return rng.standard_normal((n_rows, columns), dtype=np.float32)


def _last_seen(cell: Cell) -> npt.NDArray[np.int64]:
    """The last cell that each token sees, int64 [n_tokens]."""
    if not cell.extras.mask:
        return np.full(cell.n_tokens, cell.n_kv - 1, dtype=np.int64)
    used = cell.n_kv - _unused(cell)
    return used - cell.n_tokens + np.arange(cell.n_tokens, dtype=np.int64)


def _looks(cell: Cell, k: Floats) -> Floats:
    """What to add to random queries: float32 [n_tokens, n_heads, DKQ].

    A key added to a query, `share` times, adds share * sqrt(DKQ) to their score, as keys are
    N(0, 1). Scores of the other cells are N(0, gain^2): their exponentials sum to
    n_kv * exp(gain^2 / 2), and a quarter of that is what each cell looked at gets.
    """
    keys = k.reshape(cell.n_kv, cell.n_kv_heads, cell.heads.k)
    share = (_gain(cell.type_k) ** 2 / 2 + np.log(cell.n_kv / 4)) / np.sqrt(cell.heads.k)
    last = _last_seen(cell)
    after = keys[np.minimum(last + 1, cell.n_kv - 1)]
    seen = np.float32(share) * (keys[0] + keys[last] + after)
    return np.repeat(seen, cell.ratio, axis=1)


def _encoded(ggml: Ggml, cell: Cell, k: Floats, v: Floats | None) -> CacheRows:
    """Rows in a cell's types; V of a latent is made of K's."""
    k_rows = _bytes(ggml.quantize(cell.type_k, k), len(k))
    if v is not None:
        return CacheRows(k=k_rows, v=_bytes(ggml.quantize(cell.type_v, v), len(v)))
    if ggml.kv_layout == "v_separate":
        return CacheRows(k=k_rows, v=latent_v(ggml, cell, k_rows))
    return CacheRows(k=k_rows, v=None)


def latent_v(ggml: Ggml, cell: Cell, k_rows: Bytes) -> Bytes:
    """The DV columns of each head of K that are V, as they are encoded.

    They are the last where V has a tensor of its own (0.3.16), else the first.
    """
    start = cell.heads.k - cell.heads.v if ggml.kv_layout == "v_separate" else 0
    first = ggml.row_size(cell.type_k, start)
    end = first + ggml.row_size(cell.type_k, cell.heads.v)
    heads = k_rows.reshape(len(k_rows), cell.n_kv_heads, -1)
    return np.ascontiguousarray(heads[:, :, first:end]).reshape(len(k_rows), -1)


def _bytes(data: bytes, n_rows: int) -> Bytes:
    return np.frombuffer(data, dtype=np.uint8).reshape(n_rows, -1)
