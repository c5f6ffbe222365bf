"""The float64 reference is attention by its definition."""

from __future__ import annotations

import numpy as np

from llamaproof.attention.reference import Scoring, alibi_slopes, attention
from llamaproof.attention.seen import causal_mask
from llamaproof.bench.traffic import layers_beyond_cache


def test_it_is_the_definition_token_by_token() -> None:
    rng = np.random.default_rng(1)
    n_tokens, ratio, kv_heads, n_kv = 3, 5, 2, 4300  # beyond one chunk of the context
    q = rng.standard_normal((n_tokens, ratio * kv_heads, 8), dtype=np.float32)
    k = rng.standard_normal((n_kv, kv_heads, 8), dtype=np.float32)
    v = rng.standard_normal((n_kv, kv_heads, 4), dtype=np.float32)
    found = attention(q, k, v, causal_mask(n_tokens, n_kv, 64, unused=7), Scoring(scale=0.5))
    for token in range(n_tokens):
        last = n_kv - 7 - n_tokens + token
        for head in range(ratio * kv_heads):
            group = head // ratio
            scores = 0.5 * (k[: last + 1, group] @ q[token, head]).astype(np.float64)
            weights = np.exp(scores - scores.max())
            expected = weights @ v[: last + 1, group] / weights.sum()
            np.testing.assert_allclose(found[token, head], expected, rtol=1e-5, atol=1e-6)


def test_hidden_cells_do_not_matter() -> None:
    rng = np.random.default_rng(2)
    q = rng.standard_normal((2, 4, 8), dtype=np.float32)
    k, v = rng.standard_normal((2, 64, 1, 8), dtype=np.float32)
    mask = causal_mask(2, 64, 2, unused=10)
    before = attention(q, k, v, mask, Scoring(scale=1.0))
    k[54:], v[54:] = 1e4, -1e4
    np.testing.assert_array_equal(attention(q, k, v, mask, Scoring(scale=1.0)), before)


def test_slopes_softcap_and_sinks_are_the_definition_head_by_head() -> None:
    rng = np.random.default_rng(4)
    n_tokens, ratio, kv_heads, n_kv = 2, 3, 2, 40
    heads = ratio * kv_heads
    q = 5 * rng.standard_normal((n_tokens, heads, 8), dtype=np.float32)
    k = rng.standard_normal((n_kv, kv_heads, 8), dtype=np.float32)
    v = rng.standard_normal((n_kv, kv_heads, 4), dtype=np.float32)
    mask = rng.uniform(-3, 0, (n_tokens, n_kv)).astype(np.float16)
    slopes, sinks = alibi_slopes(heads, 8.0), rng.standard_normal(heads)
    scoring = Scoring(scale=0.5, softcap=2.0, slopes=slopes, sinks=sinks)
    found = attention(q, k, v, mask, scoring)
    for token in range(n_tokens):
        for head in range(heads):
            group = head // ratio
            scores = 2.0 * np.tanh(0.5 * (k[:, group].astype(float) @ q[token, head]) / 2.0)
            weights = np.exp(scores + slopes[head] * mask[token].astype(float))
            expected = weights @ v[:, group] / (weights.sum() + np.exp(sinks[head]))
            np.testing.assert_allclose(found[token, head], expected, rtol=1e-6, atol=1e-7)


def test_slopes_are_those_of_ggml() -> None:
    assert alibi_slopes(8, 8.0).tolist() == [2.0**-i for i in range(1, 9)]
    # Heads beyond a power of two take the odd powers of its square root.
    six = alibi_slopes(6, 8.0)
    np.testing.assert_allclose(six, [2.0**-2, 2.0**-4, 2.0**-6, 2.0**-8, 2.0**-1, 2.0**-3])


def test_without_a_mask_every_token_sees_all_and_with_nothing_visible_nothing_is_defined() -> None:
    rng = np.random.default_rng(5)
    q = rng.standard_normal((2, 2, 8), dtype=np.float32)
    k, v = rng.standard_normal((2, 16, 1, 8), dtype=np.float32)
    open_mask = np.zeros((2, 16), np.float16)
    whole = attention(q, k, v, None, Scoring(scale=1.0))
    np.testing.assert_array_equal(whole, attention(q, k, v, open_mask, Scoring(scale=1.0)))
    open_mask[1] = -np.inf
    found = attention(q, k, v, open_mask, Scoring(scale=1.0))
    np.testing.assert_array_equal(found[0], whole[0])
    assert np.isnan(found[1]).all()
    # A sink takes all of the softmax then.
    sinks = Scoring(scale=1.0, sinks=np.zeros(2))
    assert (attention(q, k, v, open_mask, sinks)[1] == 0).all()


def test_the_mask_is_causal_and_its_padding_hidden() -> None:
    mask = causal_mask(3, 8, 64, unused=2)
    assert mask.shape == (64, 8)
    for token in range(3):
        assert [bool(np.isfinite(m)) for m in mask[token]] == [p <= 3 + token for p in range(8)]
    assert np.isneginf(mask[3:]).all()


def test_layers_cover_three_times_the_cache() -> None:
    assert layers_beyond_cache(1 << 20, 50 << 20, most=512) == 150
    assert layers_beyond_cache(1 << 30, 50 << 20, most=512) == 1
    assert layers_beyond_cache(1 << 10, 50 << 20, most=512) == 512
