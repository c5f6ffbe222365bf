"""The data that kernels are tried on: a cell more or less must show in the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from llamaproof.attention.cell import HeadSizes, make_cell
from llamaproof.attention.error import MAX_NMSE, nmse
from llamaproof.attention.inputs import flat_inputs, latent_v, random_inputs, random_queries
from llamaproof.ggml import Ggml, GgmlType

GGML = cast(
    Ggml,
    SimpleNamespace(
        kv_layout="v_separate",
        quantize=lambda _kind, rows: rows.astype(np.float16).tobytes(),
        row_size=lambda _kind, n_elements: 2 * n_elements,
        mask_rows=lambda n_tokens: -(-n_tokens // 64) * 64,
    ),
)


def attention(q: Any, k: Any, v: Any, mask: Any, ratio: int) -> Any:
    k, v = np.repeat(k, ratio, axis=1), np.repeat(v, ratio, axis=1)
    scores = np.einsum("thd,nhd->thn", q, k) / np.sqrt(q.shape[2]) + mask[:, None, :]
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    return np.einsum("thn,nhd->thd", weights / weights.sum(axis=2, keepdims=True), v)


def _shifted(mask: Any, by: int) -> Any:
    return np.roll(mask, by, axis=1)


def _end_unchecked(mask: Any) -> Any:
    return np.where(np.arange(mask.shape[1]) == mask.shape[1] - 1, 0, mask)


DEFECTS: dict[str, Callable[[Any], Any]] = {
    "one cell too many": lambda mask: _shifted(mask, 1),
    "one cell too few": lambda mask: _shifted(mask, -1),
    "no bounds check: every token sees the last cell": _end_unchecked,
}


@pytest.mark.parametrize("kind", [GgmlType.F16, GgmlType.Q8_0])
@pytest.mark.parametrize(("heads", "n_kv"), [(64, 256), (128, 1024), (256, 4096), (64, 8192)])
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_wrong_mask_is_far_beyond_the_limit(
    heads: int, n_kv: int, kind: GgmlType, defect: str
) -> None:
    cell = make_cell(HeadSizes(k=heads, v=heads), kind, kind, 4, 3, n_kv)
    inputs = random_inputs(GGML, cell)
    assert inputs.cache.v is not None and inputs.mask is not None
    k, v = (
        part.view(np.float16).astype(np.float64).reshape(n_kv, 2, heads)
        for part in (inputs.cache.k, inputs.cache.v)
    )
    mask = inputs.mask[:3].astype(np.float64)
    expected = attention(inputs.q, k, v, mask, 4)
    wrong = attention(inputs.q, k, v, DEFECTS[defect](mask), 4)
    assert nmse(wrong, expected) > 20 * MAX_NMSE


def test_the_same_cell_has_the_same_data() -> None:
    cell = make_cell(HeadSizes(k=64, v=64), GgmlType.F16, GgmlType.F16, 4, 3, 256)
    one, other = random_inputs(GGML, cell), random_inputs(GGML, cell)
    assert np.array_equal(one.q, other.q)
    assert np.array_equal(one.cache.k, other.cache.k)


def test_queries_of_a_quantised_k_are_such_that_rounding_leaves_them_right() -> None:
    plain = make_cell(HeadSizes(k=64, v=64), GgmlType.F16, GgmlType.F16, 1, 64, 256)
    quantised = replace(plain, type_k=GgmlType.Q8_0, type_v=GgmlType.Q8_0)
    for cell, gain in ((plain, 4.0), (quantised, 1.0)):
        queries = random_queries(cell, np.random.default_rng(1))
        assert queries.std() == pytest.approx(gain, rel=0.05)


def test_some_of_the_tokens_see_what_they_saw() -> None:
    cell = make_cell(HeadSizes(k=64, v=64), GgmlType.F16, GgmlType.F16, 4, 70, 256)
    whole = random_inputs(GGML, cell)
    few = whole.of_tokens(GGML, np.array([0, 69]))
    assert whole.mask is not None and few.mask is not None
    assert (len(whole.mask), len(few.mask)) == (128, 64)
    assert np.array_equal(few.q, whole.q[[0, 69]])
    assert np.array_equal(few.mask[:2], whole.mask[[0, 69]])
    assert np.isneginf(few.mask[2:]).all()


def test_a_latent_v_is_the_part_of_k_that_the_release_makes_it() -> None:
    cell = make_cell(HeadSizes(k=576, v=512), GgmlType.F16, GgmlType.F16, 20, 1, 32)
    separate = random_inputs(GGML, cell).cache
    k = separate.k.view(np.float16)
    assert separate.v is not None
    assert np.array_equal(separate.v.view(np.float16), k[:, 64:])
    of_k = SimpleNamespace(**{**vars(GGML), "kv_layout": "v_first_of_k"})
    first = random_inputs(cast(Ggml, of_k), cell).cache
    assert first.v is None
    assert np.array_equal(latent_v(cast(Ggml, of_k), cell, first.k).view(np.float16), k[:, :512])


@pytest.mark.parametrize("heads", ["128", "576/512"])
def test_flat_attention_is_the_mean_of_values_of_one_sign(heads: str) -> None:
    cell = make_cell(HeadSizes.parse(heads), GgmlType.F16, GgmlType.F16, 4, 3, 256)
    inputs = flat_inputs(GGML, cell, mean=np.float32(300))
    assert inputs.cache.v is not None and inputs.mask is not None
    shape = (256, cell.n_kv_heads, -1)
    k, v = (
        part.view(np.float16).astype(np.float64).reshape(shape)
        for part in (inputs.cache.k, inputs.cache.v)
    )
    result = attention(inputs.q, k, v, inputs.mask[:3].astype(np.float64), 4)
    seen = np.isfinite(inputs.mask[0])
    assert np.allclose(result[0, 0], v[seen, 0].mean(axis=0))
    assert v.min() > 280 and v.max() < 320
