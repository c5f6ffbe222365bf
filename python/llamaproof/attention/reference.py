"""Attention by its definition, in float64, to compare results with."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from llamaproof.attention.cell import PLAIN, Cell
from llamaproof.attention.inputs import Inputs, latent_v
from llamaproof.errors import LlamaproofError
from llamaproof.ggml import Ggml

Doubles = npt.NDArray[np.float64]

_CHUNK = 4096


def exact(ggml: Ggml, cell: Cell, inputs: Inputs) -> Doubles:
    """A cell's result from what its tensors hold: float64 [n_tokens, n_heads, DV].

    Raises:
        LlamaproofError: the cell has more than a mask.
        BadInput: the libraries have no CPU backend.
    """
    if cell.extras != PLAIN or inputs.mask is None:
        raise LlamaproofError("float64 attention has a mask and nothing else", where=cell)
    k_rows, v_rows = inputs.cache.k, inputs.cache.v
    if v_rows is None:
        v_rows = latent_v(ggml, cell, k_rows)
    heads = (cell.n_kv, cell.n_kv_heads, -1)
    k = ggml.dequantize(cell.type_k, k_rows, cell.heads.k * cell.n_kv_heads).reshape(heads)
    v = ggml.dequantize(cell.type_v, v_rows, cell.heads.v * cell.n_kv_heads).reshape(heads)
    return attention(inputs.q, k, v, inputs.mask, scale=1.0 / math.sqrt(cell.heads.k))


def attention(
    q: npt.NDArray[np.float32],
    k: npt.NDArray[np.float32],
    v: npt.NDArray[np.float32],
    mask: npt.NDArray[np.float16],
    *,
    scale: float,
) -> Doubles:
    """softmax(scale q k^T + mask) v, for grouped query heads.

    Args:
        q: float32 [n_tokens, n_heads, head_k]
        k: float32 [n_kv, n_kv_heads, head_k]
        v: float32 [n_kv, n_kv_heads, head_v]
        mask: float16 [at least n_tokens, n_kv]
    Returns:
        float64 [n_tokens, n_heads, head_v]
    """
    n_tokens, n_heads, _ = q.shape
    n_kv_heads, head_v = v.shape[1], v.shape[2]
    ratio = n_heads // n_kv_heads
    out = np.empty((n_tokens, n_heads, head_v))
    hidden = np.repeat(mask[:n_tokens].astype(np.float64), ratio, axis=0)
    for head in range(n_kv_heads):
        group = slice(head * ratio, (head + 1) * ratio)
        rows = q[:, group].reshape(n_tokens * ratio, -1).astype(np.float64)
        result = _one_head(rows, k[:, head], v[:, head], hidden, scale)
        out[:, group] = result.reshape(n_tokens, ratio, head_v)
    return out


def _one_head(
    q: Doubles,
    k: npt.NDArray[np.float32],
    v: npt.NDArray[np.float32],
    mask: Doubles,
    scale: float,
) -> Doubles:
    # The context is taken in chunks: a whole f64 copy of a long cache would not fit in memory.
    best = np.full((len(q), 1), -np.inf)
    total = np.zeros((len(q), 1))
    out = np.zeros((len(q), v.shape[1]))
    for start in range(0, len(k), _CHUNK):
        part = slice(start, start + _CHUNK)
        scores = scale * (q @ k[part].astype(np.float64).T) + mask[:, part]
        higher = np.maximum(best, scores.max(axis=1, keepdims=True))
        shift = np.where(np.isfinite(higher), higher, 0.0)
        weights = np.exp(scores - shift)
        rescale = np.exp(best - shift)
        total = total * rescale + weights.sum(axis=1, keepdims=True)
        out = out * rescale + weights @ v[part].astype(np.float64)
        best = higher
    return out / total
