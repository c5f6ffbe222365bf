"""The data that kernels are tried on: a cell more or less must show in the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from llamaproof.attention.cell import HeadSizes, make_cell
from llamaproof.attention.error import MAX_NMSE, nmse
from llamaproof.attention.families import all_families, find_family
from llamaproof.attention.inputs import Inputs, latent_v, random_inputs, random_queries
from llamaproof.attention.reference import exact
from llamaproof.ggml import Ggml, GgmlType

GGML = cast(
    Ggml,
    SimpleNamespace(
        kv_layout="v_separate",
        quantize=lambda _kind, rows: rows.astype(np.float16).tobytes(),
        row_size=lambda _kind, n_elements: 2 * n_elements,
        mask_rows=lambda n_tokens: -(-n_tokens // 64) * 64,
        dequantize=lambda _kind, rows, columns: (
            rows.view(np.float16).astype(np.float32).reshape(-1, columns)
        ),
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
    few = whole.of_tokens(GGML, cell, np.array([0, 69]))
    assert whole.mask is not None and few.mask is not None
    assert (len(whole.mask), len(few.mask)) == (128, 64)
    assert np.array_equal(few.q, whole.q[[0, 69]])
    assert np.array_equal(few.mask[:2], whole.mask[[0, 69]])
    assert np.isneginf(few.mask[2:]).all()


def test_a_latent_v_is_the_part_of_k_that_the_release_makes_it() -> None:
    cell = make_cell(HeadSizes(k=576, v=512), GgmlType.F16, GgmlType.F16, 20, 1, 32)
    last = random_inputs(GGML, cell).cache
    k = last.k.view(np.float16)
    assert last.v is None
    assert np.array_equal(latent_v(GGML, cell, last.k).view(np.float16), k[:, 64:])
    of_k = SimpleNamespace(**{**vars(GGML), "kv_layout": "v_first_of_k"})
    first = random_inputs(cast(Ggml, of_k), cell).cache
    assert first.v is None
    assert np.array_equal(latent_v(cast(Ggml, of_k), cell, first.k).view(np.float16), k[:, :512])


@pytest.mark.parametrize("heads", ["128", "576/512"])
def test_flat_attention_is_the_mean_of_values_of_one_sign(heads: str) -> None:
    cell = make_cell(HeadSizes.parse(heads), GgmlType.F16, GgmlType.F16, 4, 3, 256)
    inputs = find_family("flat").make(GGML, cell)
    assert inputs.mask is not None
    shape = (256, cell.n_kv_heads, -1)
    v_rows = latent_v(GGML, cell, inputs.cache.k) if inputs.cache.v is None else inputs.cache.v
    k, v = (
        part.view(np.float16).astype(np.float64).reshape(shape) for part in (inputs.cache.k, v_rows)
    )
    result = attention(inputs.q, k, v, inputs.mask[:3].astype(np.float64), 4)
    seen = np.isfinite(inputs.mask[0])
    assert np.allclose(result[0, 0], v[seen, 0].mean(axis=0))
    assert v[seen].min() > 280 and v[seen].max() < 320


def values_of(inputs: Inputs, part: str, n_kv_heads: int) -> Any:
    rows = getattr(inputs.cache, part)
    return rows.view(np.float16).astype(np.float64).reshape(len(rows), n_kv_heads, -1)


STREAMS = replace(
    make_cell(HeadSizes(k=64, v=64), GgmlType.F16, GgmlType.F16, 4, 3, 512), n_streams=4
)


def test_each_stream_has_cells_of_its_own_number_and_what_lies_between_is_no_number() -> None:
    inputs = random_inputs(GGML, STREAMS)
    assert inputs.mask is not None
    assert inputs.q.shape == (12, 8, 64) and inputs.mask.shape == (4 * 64, 512)
    masks = inputs.mask.reshape(4, 64, 512)
    assert len({int((masks[s, 0] == 0).sum()) for s in range(4)}) == 4
    k = values_of(inputs, "k", 2).reshape(4, STREAMS.kv_size, 2, 64)
    assert np.isfinite(k[:, :512]).all() and np.isnan(k[:, 512:]).all()


def test_the_exact_result_of_streams_is_that_of_each_by_itself() -> None:
    inputs = random_inputs(GGML, STREAMS)
    found = exact(GGML, STREAMS, inputs)
    assert inputs.mask is not None
    k, v = (values_of(inputs, part, 2).reshape(4, STREAMS.kv_size, 2, 64)[:, :512] for part in "kv")
    masks = inputs.mask.reshape(4, 64, 512)[:, :3].astype(np.float64)
    for s in range(4):
        alone = attention(inputs.q[3 * s : 3 * s + 3], k[s], v[s], masks[s], 4)
        np.testing.assert_allclose(found[3 * s : 3 * s + 3], alone, rtol=1e-6, atol=1e-9)


def test_some_tokens_of_each_stream_see_what_they_saw() -> None:
    whole = exact(GGML, STREAMS, random_inputs(GGML, STREAMS)).reshape(4, 3, 8, 64)
    few = replace(STREAMS, n_tokens=2)
    sampled = random_inputs(GGML, STREAMS).of_tokens(GGML, STREAMS, np.array([0, 2]))
    found = exact(GGML, few, sampled).reshape(4, 2, 8, 64)
    np.testing.assert_array_equal(found, whole[:, [0, 2]])


@pytest.mark.parametrize("layout", ["V first of K", "V last of K"])
def test_a_view_of_k_has_no_rows_of_its_own(layout: Any) -> None:
    cell = replace(
        make_cell(HeadSizes(k=192, v=128), GgmlType.F16, GgmlType.F16, 4, 1, 32), layout=layout
    )
    cache = random_inputs(GGML, cell).cache
    assert cache.v is None
    k = cache.k.view(np.float16).reshape(32, 2, 192)
    columns = slice(0, 128) if layout == "V first of K" else slice(64, 192)
    assert np.array_equal(
        latent_v(GGML, cell, cache.k).view(np.float16).reshape(32, 2, 128), k[:, :, columns]
    )


def test_an_independent_v_of_a_latent_is_no_part_of_k() -> None:
    cell = make_cell(HeadSizes(k=576, v=512), GgmlType.F16, GgmlType.F16, 20, 1, 32)
    apart = random_inputs(GGML, replace(cell, layout="V apart")).cache
    assert apart.v is not None
    assert not np.array_equal(apart.v.view(np.float16), apart.k.view(np.float16)[:, 64:])


@pytest.mark.parametrize("family", all_families(), ids=lambda family: family.name)
def test_every_family_has_an_exact_result_whose_neighbourhood_is_told_apart(family: Any) -> None:
    """Data on which a missing softmax weight cannot be seen would find nothing."""
    plain = make_cell(HeadSizes(k=64, v=64), GgmlType.F16, GgmlType.F16, 4, 5, 1024)
    cell = family.fitted(plain)
    inputs = family.make(GGML, cell)
    expected = exact(GGML, cell, inputs)
    undefined = np.isnan(expected).all(axis=(1, 2))
    assert undefined.tolist() == [family.name == "nothing-visible" and t % 3 == 0 for t in range(5)]
    assert np.isfinite(expected[~undefined]).all()
    again = family.make(GGML, cell)
    assert all(
        np.array_equal(getattr(inputs, f.name), getattr(again, f.name))
        for f in fields(Inputs)
        if f.name != "cache"
    )
    assert inputs.mask is not None
    all_seen = replace(inputs, mask=np.zeros_like(inputs.mask))
    assert nmse(exact(GGML, cell, all_seen)[~undefined], expected[~undefined]) > 10 * MAX_NMSE or (
        family.name in ("flat", "peak", "beyond-f16", "subnormal", "softcap", "sinks")
    )


def test_peaks_are_as_high_as_they_are_asked_to_be() -> None:
    cell = make_cell(HeadSizes(k=128, v=128), GgmlType.F16, GgmlType.F16, 4, 3, 512)
    for name, score in (("peak", 60.0), ("beyond-f16", 1e4)):
        inputs = find_family(name).make(GGML, cell)
        k = values_of(inputs, "k", 2)
        scores = np.einsum("hd,nd->hn", inputs.q[1, :4], k[:, 0]) / np.sqrt(128)
        assert inputs.mask is not None
        seen = scores[:, np.isfinite(inputs.mask[1])]
        assert seen.max(axis=1) == pytest.approx(np.full(4, score), rel=0.1)
        assert (np.sort(seen, axis=1)[:, -2] < score / 2).all()
    assert score * np.sqrt(128) > 65504


def test_subnormal_values_are_so() -> None:
    cell = make_cell(HeadSizes(k=128, v=128), GgmlType.F16, GgmlType.F16, 4, 3, 512)
    inputs = find_family("subnormal").make(GGML, cell)
    seen = slice(0, 400)
    v = values_of(inputs, "v", 2)[seen]
    assert v.min() > 0 and v.max() < 6.2e-5
    assert np.abs(inputs.q).max() < 65504
