"""Host data for one attention cell: K/V cache, queries, mask."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from llamaproof.attention.cell import Cell
from llamaproof.ggml import Ggml

# Scores of N(0, 1) inputs are N(0, 1) after scaling: their softmax is nearly flat and its result
# nearly zero. Sharper queries keep the result well above rounding.
_QUERY_GAIN = 4.0
# With quantised K both backends round the query to 8 bits, in different places: the CUDA kernels
# subtract a block's offset from the sum of what was not yet rounded (`Q_ds.y` in fattn-common.cuh).
# That moves scores in proportion to the query, by more than ggml's limit at a gain of 4.
_QUERY_GAIN_QUANTISED = 1.0


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a cell's tensors hold, in their own types.

    Attributes:
        q: float32 [n_heads, n_tokens, DKQ] as a permuted view sees it; stored by token.
        k: bytes of the K cache, a row for each of n_kv cells.
        v: bytes of the V cache; None where V is a view of K.
        mask: float16 [rows, n_kv]; None without a mask.
        sinks: float32 [n_heads]; None without sinks.
    """

    q: npt.NDArray[np.float32]
    k: bytes
    v: bytes | None
    mask: npt.NDArray[np.float16] | None
    sinks: npt.NDArray[np.float32] | None


def random_inputs(ggml: Ggml, cell: Cell) -> Inputs:
    """Normally distributed data, the same for a cell whenever and wherever it is made.

    Where K and V come from one latent, V is the part of K that the release's graph makes it: a
    kernel may read either.

    Each query looks at the first cell, at the last it may see and at the one after that: among
    hundreds of random cells one that is left out, or seen by mistake, would move the result by less
    than the limit on the error.
    """
    rng = np.random.default_rng(_seed(cell))
    n_heads = cell.n_heads
    k = rng.standard_normal((cell.n_kv, cell.n_kv_heads * cell.heads.k), dtype=np.float32)
    k_bytes = ggml.quantize(cell.type_k, k)
    v_bytes: bytes | None
    if cell.heads.latent:
        v_bytes = _tail_of(ggml, cell, k_bytes) if ggml.kv_layout == "v_separate" else None
    else:
        v = rng.standard_normal((cell.n_kv, cell.n_kv_heads * cell.heads.v), dtype=np.float32)
        v_bytes = ggml.quantize(cell.type_v, v)
    gain = _QUERY_GAIN if cell.type_k.block_size == 1 else _QUERY_GAIN_QUANTISED
    q = gain * rng.standard_normal((cell.n_tokens, n_heads, cell.heads.k), dtype=np.float32)
    q += _looks(cell, k, gain)
    return Inputs(
        q=q,
        k=k_bytes,
        v=v_bytes,
        mask=causal_mask(cell, ggml.mask_rows(cell.n_tokens)) if cell.extras.mask else None,
        sinks=rng.standard_normal(n_heads, dtype=np.float32) if cell.extras.sinks else None,
    )


def _seed(cell: Cell) -> int:
    """Of a text that is kept as it is: another one changes the data, and recordings with it."""
    extras = f" with {cell.extras}" if str(cell.extras) else ""
    shape = f"{cell.heads}@{cell.ratio}:{cell.types}#{cell.n_tokens}"
    return zlib.crc32(f"{shape} (n_kv {cell.n_kv}){extras}".encode())


def causal_mask(cell: Cell, rows: int) -> npt.NDArray[np.float16]:
    """float16 [rows, n_kv]: 0 where a token sees a cell, -inf elsewhere.

    The tokens come last in a cache whose end, a ninth of it, is padding that nobody sees. Rows
    beyond the tokens are padding, -inf throughout.
    """
    last = np.full(rows, -1, dtype=np.int64)
    last[: cell.n_tokens] = _last_seen(cell)
    hidden: npt.NDArray[Any] = np.arange(cell.n_kv)[None, :] > last[:, None]
    mask = np.zeros(hidden.shape, np.float16)
    mask[hidden] = -np.inf
    return mask


def _last_seen(cell: Cell) -> npt.NDArray[np.int64]:
    """The last cell that each token sees, int64 [n_tokens]."""
    if not cell.extras.mask:
        return np.full(cell.n_tokens, cell.n_kv - 1, dtype=np.int64)
    used = max(cell.n_tokens, cell.n_kv - cell.n_kv // 9)
    return used - cell.n_tokens + np.arange(cell.n_tokens, dtype=np.int64)


def _looks(cell: Cell, k: npt.NDArray[np.float32], gain: float) -> npt.NDArray[np.float32]:
    """What to add to queries of this gain: float32 [n_tokens, n_heads, DKQ].

    A key added to a query, `share` times, adds share * sqrt(DKQ) to their score, as keys are
    N(0, 1). Scores of the other cells are N(0, gain^2): their exponentials sum to
    n_kv * exp(gain^2 / 2), and a quarter of that is what each cell looked at gets.
    """
    keys = k.reshape(cell.n_kv, cell.n_kv_heads, cell.heads.k)
    share = (gain**2 / 2 + np.log(cell.n_kv / 4)) / np.sqrt(cell.heads.k)
    last = _last_seen(cell)
    after = keys[np.minimum(last + 1, cell.n_kv - 1)]
    seen = np.float32(share) * (keys[0] + keys[last] + after)
    return np.repeat(seen, cell.ratio, axis=1)


def _tail_of(ggml: Ggml, cell: Cell, k: bytes) -> bytes:
    """The last DV columns of each head of K, as they are encoded."""
    rows = np.frombuffer(k, dtype=np.uint8).reshape(cell.n_kv * cell.n_kv_heads, -1)
    start = ggml.row_size(cell.type_k, cell.heads.k - cell.heads.v)
    return rows[:, start:].tobytes()
