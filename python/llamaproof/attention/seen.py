"""Which cells of a cache each token sees, and the mask that says it."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from llamaproof.attention.cell import Cell

Mask = npt.NDArray[np.float16]
Seen = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

# Which cells are hidden beside those that are not there yet:
# `causal`: none. `front`: all but the last third, as behind a sliding window.
# `middle`: the middle half, as after a context shift. `end`: the cache is filled to a third.
# `nothing`: every third token sees nothing at all, the first of them the first.
# `interleaved`, `stripes`: a unified cache of several sequences, cell by cell or in stripes of a
# whole step of the kernels; a token sees the cells of its own sequence.
Pattern = Literal["causal", "front", "middle", "end", "nothing", "interleaved", "stripes"]
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)

# The most cells at the end of a cache that nobody sees: llama.cpp rounds n_kv up to 256, so that
# kernels always meet some; of 512, more than one whole step of theirs.
_MOST_HIDDEN = 512
# FATTN_KQ_STRIDE of fattn-common.cuh: the step in which ggml's kernels may skip masked cells.
TILE = 256
_SEQUENCES = 4


def used_cells(cell: Cell, pattern: Pattern = "causal") -> Indices:
    """Cells that hold tokens in each stream, int64 [n_streams]: each stream has fewer.

    The first leaves a ninth of the cache, which is no round number.
    """
    if not cell.extras.mask:
        return np.full(cell.n_streams, cell.n_kv, dtype=np.int64)
    unused = min(cell.n_kv // 9, _MOST_HIDDEN)
    full = cell.n_kv // 3 if pattern == "end" else cell.n_kv - unused
    fewer = cell.n_kv // (2 * cell.n_streams) * np.arange(cell.n_streams, dtype=np.int64)
    return np.maximum(full - fewer, min(cell.n_tokens, cell.n_kv))


def seen_cells(cell: Cell, pattern: Pattern = "causal") -> Seen:
    """Whether a token sees a cell: bool [n_streams, n_tokens, n_kv].

    The tokens are the newest of their stream's cache.
    """
    shape = (cell.n_streams, cell.n_tokens, cell.n_kv)
    if not cell.extras.mask:
        return np.ones(shape, np.bool_)
    at = np.arange(cell.n_kv)[None, None, :]
    last = _last(cell, pattern)[:, :, None]
    seen: Seen = np.broadcast_to((at <= last) & _shown(cell, pattern, at, last), shape).copy()
    return seen


def mask_of(cell: Cell, seen: Seen, rows: int, pattern: Pattern = "causal") -> Mask:
    """The mask of all streams, float16 [n_streams * rows, n_kv]; rows beyond the tokens are -inf.

    A cell that is seen has 0; with ALiBi the distance to it, as llama.cpp gives it, negative.

    Args:
        rows: of each stream, at least n_tokens.
    """
    mask: Mask = np.full((cell.n_streams, rows, cell.n_kv), -np.inf, np.float16)
    shown: npt.NDArray[np.float64] | float = 0.0
    if cell.extras.max_bias:
        shown = np.minimum(np.arange(cell.n_kv) - _last(cell, pattern)[:, :, None], 0.0)
    mask[:, : cell.n_tokens] = np.where(seen, shown, -np.inf)
    return mask.reshape(cell.n_streams * rows, cell.n_kv)


def causal_mask(n_tokens: int, n_kv: int, rows: int, *, unused: int = 0) -> Mask:
    """float16 [rows, n_kv]: 0 where a token sees a cell, -inf elsewhere.

    The tokens are the newest of the cache. Rows beyond the tokens are padding, -inf throughout.

    Args:
        unused: cells at the end of the cache that no token sees.
    """
    last = np.full(rows, -1, dtype=np.int64)
    last[:n_tokens] = n_kv - unused - n_tokens + np.arange(n_tokens)
    mask: Mask = np.zeros((rows, n_kv), np.float16)
    mask[np.arange(n_kv)[None, :] > last[:, None]] = -np.inf
    return mask


def masked_tiles(seen: Seen, n_tokens: int) -> tuple[int, int]:
    """Tiles of so many tokens and `TILE` cells that are hidden throughout, and all tiles."""
    n_streams, tokens, n_kv = seen.shape
    padded = np.zeros((n_streams, -(-tokens // n_tokens) * n_tokens, -(-n_kv // TILE) * TILE), bool)
    padded[:, :tokens, :n_kv] = seen
    tiles = padded.reshape(n_streams, -1, n_tokens, padded.shape[2] // TILE, TILE).any(axis=(2, 4))
    return int(np.count_nonzero(~tiles)), int(tiles.size)


def _last(cell: Cell, pattern: Pattern) -> Indices:
    """The cell that holds each token, int64 [n_streams, n_tokens]."""
    used = used_cells(cell, pattern)[:, None]
    return used - cell.n_tokens + np.arange(cell.n_tokens, dtype=np.int64)[None, :]


def _shown(cell: Cell, pattern: Pattern, at: Indices, last: Indices) -> Seen:
    """What a pattern leaves of what is causal, to be broadcast."""
    token = np.arange(cell.n_tokens)[None, :, None]
    if pattern == "front":
        return np.asarray(at > last - max(cell.n_kv // 3, 1))
    if pattern == "middle":
        return np.asarray((at < cell.n_kv // 4) | (at >= cell.n_kv // 4 * 3) | (at == last))
    if pattern == "nothing":
        return np.asarray(token % 3 != 0)
    if pattern == "interleaved":
        return np.asarray(at % _SEQUENCES == token % _SEQUENCES)
    if pattern == "stripes":
        sequences = max(1, min(_SEQUENCES, cell.n_kv // TILE))
        return np.asarray(at // TILE % sequences == token % sequences)
    return np.ones((1, 1, 1), np.bool_)
