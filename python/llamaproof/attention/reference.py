"""Attention by its definition, in float64, to compare results with."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from llamaproof.attention.cell import Cell
from llamaproof.attention.inputs import Bytes, Inputs, latent_v
from llamaproof.attention.seen import Mask
from llamaproof.attention.v_in_k import type_of_v
from llamaproof.ggml import Ggml, GgmlType

Doubles = npt.NDArray[np.float64]

_CHUNK = 4096


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """What is done to q k^T before the softmax.

    Attributes:
        scale: of the scores.
        softcap: scores become softcap * tanh(score / softcap); 0 for none.
        slopes: float64 [n_heads], of ALiBi: what the mask is multiplied by; None for one.
        sinks: float64 [n_heads]: a score that takes part in the softmax and has no value.
    """

    scale: float
    softcap: float = 0.0
    slopes: Doubles | None = None
    sinks: Doubles | None = None

    def of_heads(self, heads: slice) -> Scoring:
        """The same for some of the heads."""
        return replace(
            self,
            slopes=None if self.slopes is None else self.slopes[heads],
            sinks=None if self.sinks is None else self.sinks[heads],
        )

    def softened(self, scores: Doubles) -> Doubles:
        """Scores after the softcap."""
        return self.softcap * np.tanh(scores / self.softcap) if self.softcap else scores

    def biased(self, mask: Doubles) -> Doubles:
        """What a mask [n_tokens, n_kv] adds to scores [n_heads, n_tokens, n_kv]."""
        return mask[None] if self.slopes is None else self.slopes[:, None, None] * mask[None]


def exact(ggml: Ggml, cell: Cell, inputs: Inputs) -> Doubles:
    """A cell's result from what its tensors hold: float64 [n_streams * n_tokens, n_heads, DV].

    Rows that see nothing at all are NaN: a softmax over nothing is not defined.

    Raises:
        BadInput: the libraries have no CPU backend.
    """
    k_rows, v_rows = inputs.cache.k, inputs.cache.v
    if v_rows is None:
        v_rows = latent_v(ggml, cell, k_rows)
    k = _decoded(ggml, cell, cell.type_k, k_rows)
    v = _decoded(ggml, cell, type_of_v(ggml, cell), v_rows)
    q = inputs.q.reshape(cell.n_streams, cell.n_tokens, *inputs.q.shape[1:])
    scoring = scoring_of(cell, inputs)
    streams = range(cell.n_streams)
    masks: list[Mask | None] = [None] * cell.n_streams
    if inputs.mask is not None:
        masks = list(inputs.mask.reshape(cell.n_streams, -1, cell.n_kv))
    return np.concatenate([attention(q[s], k[s], v[s], masks[s], scoring) for s in streams])


def _decoded(ggml: Ggml, cell: Cell, kind: GgmlType, rows: Bytes) -> npt.NDArray[np.float32]:
    """The cells that the node is given: float32 [n_streams, n_kv, n_kv_heads, head]."""
    given = rows.reshape(cell.n_streams, cell.kv_size, -1)[:, : cell.n_kv]
    columns = rows.shape[1] // ggml.row_size(kind, kind.block_size) * kind.block_size
    values = ggml.dequantize(kind, np.ascontiguousarray(given), columns)
    return values.reshape(cell.n_streams, cell.n_kv, cell.n_kv_heads, -1)


def scoring_of(cell: Cell, inputs: Inputs) -> Scoring:
    """How a cell's node makes scores of q k^T."""
    return Scoring(
        scale=1.0 / math.sqrt(cell.heads.k),
        softcap=cell.extras.softcap,
        slopes=alibi_slopes(cell.n_heads, cell.extras.max_bias) if cell.extras.max_bias else None,
        sinks=None if inputs.sinks is None else inputs.sinks.astype(np.float64),
    )


def alibi_slopes(n_heads: int, max_bias: float) -> Doubles:
    """ALiBi's slope of each head, as ggml has it (ggml_compute_forward_flash_attn_ext_f16).

    Heads up to the last power of two have 2^(-max_bias/that) to the powers 1, 2, ...; the rest the
    odd powers of its square root.
    """
    power = 1 << (n_heads.bit_length() - 1)
    head = np.arange(n_heads)
    low = np.exp2(-max_bias / power * (head + 1))
    high = np.exp2(-max_bias / 2 / power * (2 * (head - power) + 1))
    slopes: Doubles = np.where(head < power, low, high)
    return slopes


def attention(
    q: npt.NDArray[np.float32],
    k: npt.NDArray[np.float32],
    v: npt.NDArray[np.float32],
    mask: npt.NDArray[np.float16] | None,
    scoring: Scoring,
) -> Doubles:
    """softmax(scores + mask) v, for grouped query heads.

    Args:
        q: float32 [n_tokens, n_heads, head_k]
        k: float32 [n_kv, n_kv_heads, head_k]
        v: float32 [n_kv, n_kv_heads, head_v]
        mask: float16 [at least n_tokens, n_kv]; None lets every token see all.
    Returns:
        float64 [n_tokens, n_heads, head_v]
    """
    n_tokens, n_heads, _ = q.shape
    n_kv_heads, head_v = v.shape[1], v.shape[2]
    ratio = n_heads // n_kv_heads
    out = np.empty((n_tokens, n_heads, head_v))
    for head in range(n_kv_heads):
        group = slice(head * ratio, (head + 1) * ratio)
        # Heads are the outer dimension: each has its slope and its sink.
        rows = q[:, group].transpose(1, 0, 2).astype(np.float64)
        of_group = scoring.of_heads(group)
        result = _one_group(rows, k[:, head], v[:, head], mask, of_group)
        out[:, group] = result.transpose(1, 0, 2)
    return out


def _one_group(
    q: Doubles,
    k: npt.NDArray[np.float32],
    v: npt.NDArray[np.float32],
    mask: npt.NDArray[np.float16] | None,
    scoring: Scoring,
) -> Doubles:
    """The heads that share k and v: float64 [heads, n_tokens, head_v], as q has them."""
    heads, n_tokens, head_k = q.shape
    rows = q.reshape(heads * n_tokens, head_k)
    best = np.full((heads, n_tokens, 1), -np.inf)
    if scoring.sinks is not None:
        best[:] = scoring.sinks[:, None, None]
    total = np.where(np.isfinite(best), 1.0, 0.0)
    out = np.zeros((heads, n_tokens, v.shape[1]))
    # The context is taken in chunks: a whole f64 copy of a long cache would not fit in memory.
    for start in range(0, len(k), _CHUNK):
        part = slice(start, start + _CHUNK)
        scores = scoring.scale * (rows @ k[part].astype(np.float64).T)
        scores = scoring.softened(scores).reshape(heads, n_tokens, -1)
        if mask is not None:
            scores += scoring.biased(mask[:n_tokens, part].astype(np.float64))
        higher = np.maximum(best, scores.max(axis=2, keepdims=True))
        shift = np.where(np.isfinite(higher), higher, 0.0)
        weights = np.exp(scores - shift)
        rescale = np.exp(best - shift)
        total = total * rescale + weights.sum(axis=2, keepdims=True)
        flat = weights.reshape(heads * n_tokens, -1) @ v[part].astype(np.float64)
        out = out * rescale + flat.reshape(heads, n_tokens, -1)
        best = higher
    with np.errstate(invalid="ignore"):
        return out / total
