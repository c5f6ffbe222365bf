"""Host data for attention: K/V caches, queries and masks on which a wrong kernel shows."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from llamaproof.attention.cell import Cell
from llamaproof.attention.seen import Indices, Mask, Pattern, Seen, mask_of, seen_cells
from llamaproof.attention.v_in_k import columns_of_v, place_of_v
from llamaproof.ggml import Ggml, GgmlType

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

# How Q, K and V are drawn: see `_drawn`.
Values = Literal["random", "flat", "peak", "subnormal"]
VALUES: tuple[Values, ...] = get_args(Values)

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
# Below 6.1e-5 the numbers of f16 are subnormal.
_SUBNORMAL = 3e-5
# How far a sink that dominates is above the logarithm of the sum of the others' exponentials: it
# takes 99.3% of the softmax.
_SINK_ABOVE = 5.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a cell's tensors are filled.

    Attributes:
        seen: which cells are hidden.
        size: of V's mean where values are flat, of the one large score where they have a peak.
        dominant_sinks: sinks that take nearly all of the softmax, beside some that take nothing.
    """

    values: Values = "random"
    seen: Pattern = "causal"
    size: float = 0.0
    dominant_sinks: bool = False


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
        q: float32 [n_streams * n_tokens, n_heads, DKQ]
        cache: n_streams * kv_size rows.
        mask: float16 [n_streams * rows, n_kv]; None without a mask.
        sinks: float32 [n_heads]; None without sinks.
    """

    q: Floats
    cache: CacheRows
    mask: Mask | None
    sinks: Floats | None

    def of_tokens(self, ggml: Ggml, cell: Cell, chosen: Indices) -> Inputs:
        """The same cache and some of each stream's query tokens, by their indices."""
        mask, streams = self.mask, cell.n_streams
        if mask is not None:
            of_stream = mask.reshape(streams, -1, mask.shape[1])
            rows = ggml.mask_rows(len(chosen))
            padded = np.full((streams, rows, mask.shape[1]), -np.inf, np.float16)
            padded[:, : len(chosen)] = of_stream[:, chosen]
            mask = padded.reshape(streams * rows, -1)
        q = self.q.reshape(streams, cell.n_tokens, *self.q.shape[1:])[:, chosen]
        return replace(self, q=np.ascontiguousarray(q).reshape(-1, *self.q.shape[1:]), mask=mask)


def random_inputs(ggml: Ggml, cell: Cell) -> Inputs:
    """Normally distributed data, as `make_inputs` has it."""
    return make_inputs(ggml, cell, Recipe())


def make_inputs(ggml: Ggml, cell: Cell, recipe: Recipe) -> Inputs:
    """The data of a recipe, the same for a cell whenever and wherever it is made.

    Where K and V come from one latent, V is the part of K that the release's graph makes it: a
    kernel may read either.

    Each query looks at the first cell it sees, at the last and at the one after that: among
    hundreds of random cells one that is left out, or seen by mistake, would move the result by less
    than the limit on the error. Cells that no query may see are loud.
    """
    rng = np.random.default_rng(_seed(cell))
    seen = seen_cells(cell, recipe.seen)
    k, v, q = _drawn(rng, ggml, cell, recipe, seen)
    _hide(cell, seen, [rows for rows in (k, v) if rows is not None])
    return Inputs(
        q=q,
        cache=_encoded(ggml, cell, k, v),
        mask=mask_of(cell, seen, ggml.mask_rows(cell.n_tokens), recipe.seen)
        if cell.extras.mask
        else None,
        sinks=_sinks(rng, cell, recipe) if cell.extras.sinks else None,
    )


def random_cache(ggml: Ggml, cell: Cell, rng: np.random.Generator, *, n_rows: int) -> CacheRows:
    """Rows that are all alike: for what is timed or counted, and not compared."""
    k = _random_rows(rng, n_rows, cell.n_kv_heads * cell.heads.k)
    v = _random_rows(rng, n_rows, cell.n_kv_heads * cell.heads.v) if _has_v(ggml, cell) else None
    return _encoded(ggml, cell, k, v)


def random_queries(cell: Cell, rng: np.random.Generator) -> Floats:
    """Queries that look at nothing: float32 [n_streams * n_tokens, n_heads, DKQ]."""
    shape = (cell.all_tokens, cell.n_heads, cell.heads.k)
    queries: Floats = rng.standard_normal(shape, dtype=np.float32)
    queries *= np.float32(_gain(cell.type_k))
    return queries


def _drawn(
    rng: np.random.Generator, ggml: Ggml, cell: Cell, recipe: Recipe, seen: Seen
) -> tuple[Floats, Floats | None, Floats]:
    """K and V of all cells and the queries; no V where it is part of K.

    `random`: all are normally distributed. `flat`: queries of zero, and V within 5% of a size.
    `peak`: each query has one score of a size, and small ones. `subnormal`: V holds subnormal
    numbers of f16, of one sign: their mean is then no smaller than they are.
    """
    columns = cell.n_kv_heads * cell.heads.v
    has_v = _has_v(ggml, cell)
    if recipe.values == "flat":
        mean = np.float32(recipe.size)
        shape = (cell.cache_rows, columns if has_v else cell.n_kv_heads * cell.heads.k)
        v = mean * rng.uniform(0.95, 1.05, shape).astype(np.float32)
        q = np.zeros((cell.all_tokens, cell.n_heads, cell.heads.k), np.float32)
        if not has_v:
            return v, None, q
        return _random_rows(rng, cell.cache_rows, cell.n_kv_heads * cell.heads.k), v, q
    k = _random_rows(rng, cell.cache_rows, cell.n_kv_heads * cell.heads.k)
    wanted = _random_rows(rng, cell.cache_rows, columns) if has_v else None
    q = random_queries(cell, rng)
    if recipe.values == "peak":
        q *= np.float32(1 / _gain(cell.type_k))
        q += _peaks(rng, cell, k, seen, recipe.size)
        return k, wanted, q
    q += _looks(cell, k, seen, recipe.seen)
    if recipe.values == "subnormal":
        rows = k if wanted is None else wanted
        rows[:] = np.float32(_SUBNORMAL) * (1 + np.abs(rows) / 8)
    return k, wanted, q


def _seed(cell: Cell) -> int:
    """Of a text that is kept as it is: another one changes the data, and recordings with it."""
    extras = f" with {cell.extras}" if str(cell.extras) else ""
    shape = f"{cell.heads}@{cell.ratio}:{cell.types}#{cell.n_tokens}"
    streams = f" in {cell.n_streams} streams" if cell.n_streams > 1 else ""
    return zlib.crc32(f"{shape} (n_kv {cell.n_kv}){extras}{streams}".encode())


def _gain(kind: GgmlType) -> float:
    return _QUERY_GAIN if kind.block_size == 1 else _QUERY_GAIN_QUANTISED


def _has_v(ggml: Ggml, cell: Cell) -> bool:
    """Whether V has values of its own."""
    return place_of_v(ggml, cell) == "apart"


def _random_rows(rng: np.random.Generator, n_rows: int, columns: int) -> Floats:
    return rng.standard_normal((n_rows, columns), dtype=np.float32)


def _of_streams(cell: Cell, rows: Floats) -> Floats:
    """The cells that a node is given: a view [n_streams, n_kv, columns] of the cache's rows."""
    return rows.reshape(cell.n_streams, cell.kv_size, -1)[:, : cell.n_kv]


def _hide(cell: Cell, seen: Seen, caches: list[Floats]) -> None:
    """Make loud what no token sees; what no node is given is not even a number.

    The blocks of a quantised type have no such number.
    """
    hidden = ~seen.any(axis=1)
    plain = cell.type_k.block_size == cell.type_v.block_size == 1
    for rows in caches:
        given = _of_streams(cell, rows)
        given[hidden] *= _HIDDEN_GAIN
        between = rows.reshape(cell.n_streams, cell.kv_size, -1)[:, cell.n_kv :]
        between[:] = np.nan if plain else _HIDDEN_GAIN * between


def _sinks(rng: np.random.Generator, cell: Cell, recipe: Recipe) -> Floats:
    if not recipe.dominant_sinks:
        return rng.standard_normal(cell.n_heads, dtype=np.float32)
    others = _gain(cell.type_k) ** 2 / 2 + np.log(2 * cell.n_kv)
    return np.resize(np.array([others + _SINK_ABOVE, -100.0, 0.0], np.float32), cell.n_heads)


def _looks(cell: Cell, k: Floats, seen: Seen, pattern: Pattern) -> Floats:
    """What to add to random queries: float32 [n_streams * n_tokens, n_heads, DKQ].

    A key added to a query, `share` times, adds share * sqrt(DKQ) to their score, as keys are
    N(0, 1). Scores of the other cells are N(0, gain^2): their exponentials sum to
    n_kv * exp(gain^2 / 2), and a quarter of that is what each cell looked at gets.
    """
    share = (_gain(cell.type_k) ** 2 / 2 + np.log(cell.n_kv / 4)) / np.sqrt(cell.heads.k)
    first = seen.argmax(axis=2)
    last = cell.n_kv - 1 - seen[:, :, ::-1].argmax(axis=2)
    looked_at = [first, last, np.minimum(last + 1, cell.n_kv - 1)]
    if pattern != "causal":
        looked_at += [_middle(seen), _middle(~seen)]
    summed: Floats = sum((_keys_at(cell, k, at) for at in looked_at[1:]), _keys_at(cell, k, first))
    return np.repeat(np.float32(share) * summed, cell.ratio, axis=1)


def _peaks(rng: np.random.Generator, cell: Cell, k: Floats, seen: Seen, score: float) -> Floats:
    """What to add to queries so that one cell that each sees, any of them, has a score."""
    weights = np.where(seen, rng.random(seen.shape), 0.0)
    keys = _keys_at(cell, k, weights.argmax(axis=2))
    keys /= np.sum(keys**2, axis=2, keepdims=True)
    return np.repeat(np.float32(score * np.sqrt(cell.heads.k)) * keys, cell.ratio, axis=1)


def _middle(shown: Seen) -> Indices:
    """Of the cells that are shown to each token the middle one; the first where there is none."""
    half = (shown.sum(axis=2, keepdims=True) + 1) // 2
    return np.asarray((np.cumsum(shown, axis=2) >= half).argmax(axis=2))


def _keys_at(cell: Cell, k: Floats, at: Indices) -> Floats:
    """Keys of one cell for each token: float32 [n_streams * n_tokens, n_kv_heads, DKQ]."""
    keys = _of_streams(cell, k).reshape(cell.n_streams, cell.n_kv, cell.n_kv_heads, -1)
    found = np.take_along_axis(keys, at[:, :, None, None], axis=1)
    return found.reshape(cell.all_tokens, cell.n_kv_heads, cell.heads.k)


def _encoded(ggml: Ggml, cell: Cell, k: Floats, v: Floats | None) -> CacheRows:
    """Rows in a cell's types; V of a latent is made of K's."""
    k_rows = _bytes(ggml.quantize(cell.type_k, k), len(k))
    if v is not None:
        return CacheRows(k=k_rows, v=_bytes(ggml.quantize(cell.type_v, v), len(v)))
    return CacheRows(k=k_rows, v=None)


def latent_v(ggml: Ggml, cell: Cell, k_rows: Bytes) -> Bytes:
    """The DV columns of each head of K that are V, as they are encoded."""
    columns = columns_of_v(ggml, cell)
    heads = k_rows.reshape(len(k_rows), cell.n_kv_heads, -1)
    return np.ascontiguousarray(heads[:, :, columns]).reshape(len(k_rows), -1)


def _bytes(data: bytes, n_rows: int) -> Bytes:
    return np.frombuffer(data, dtype=np.uint8).reshape(n_rows, -1)
