"""The data that kernels are tried on: a cell more or less must show in the result."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from llamaproof.attention.cell import HeadSizes, make_cell
from llamaproof.attention.inputs import random_inputs
from llamaproof.emulator.results import NMSE_LIMIT
from llamaproof.ggml import Ggml, GgmlType

GGML = cast(
    Ggml,
    SimpleNamespace(
        kv_layout="v_separate",
        quantize=lambda _kind, rows: rows.astype(np.float16).tobytes(),
        mask_rows=lambda n_tokens: -(-n_tokens // 64) * 64,
    ),
)


def attention(q: Any, k: Any, v: Any, mask: Any, ratio: int) -> Any:
    k, v = np.repeat(k, ratio, axis=1), np.repeat(v, ratio, axis=1)
    scores = np.einsum("thd,nhd->thn", q, k) / np.sqrt(q.shape[2]) + mask[:, None, :]
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    return np.einsum("thn,nhd->thd", weights / weights.sum(axis=2, keepdims=True), v)


@pytest.mark.parametrize(("heads", "n_kv"), [(64, 256), (128, 1024), (256, 4096)])
@pytest.mark.parametrize("shift", [-1, 1])
def test_a_mask_one_cell_off_is_far_beyond_the_limit(heads: int, n_kv: int, shift: int) -> None:
    cell = make_cell(HeadSizes(k=heads, v=heads), GgmlType.F16, GgmlType.F16, 4, 3, n_kv)
    inputs = random_inputs(GGML, cell)
    assert inputs.cache.v is not None and inputs.mask is not None
    k, v = (
        part.view(np.float16).astype(np.float64).reshape(n_kv, 2, heads)
        for part in (inputs.cache.k, inputs.cache.v)
    )
    mask = inputs.mask[:3].astype(np.float64)
    expected = attention(inputs.q, k, v, mask, 4)
    wrong = attention(inputs.q, k, v, np.roll(mask, shift, axis=1), 4)
    assert np.mean((wrong - expected) ** 2) / np.mean(expected**2) > 20 * NMSE_LIMIT


def test_the_same_cell_has_the_same_data() -> None:
    cell = make_cell(HeadSizes(k=64, v=64), GgmlType.F16, GgmlType.F16, 4, 3, 256)
    one, other = random_inputs(GGML, cell), random_inputs(GGML, cell)
    assert np.array_equal(one.q, other.q)
    assert np.array_equal(one.cache.k, other.cache.k)
