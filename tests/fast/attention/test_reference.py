"""The float64 reference is attention by its definition."""

from __future__ import annotations

import numpy as np

from llamaproof.attention.inputs import causal_mask
from llamaproof.attention.reference import attention
from llamaproof.bench.traffic import layers_beyond_cache


def test_it_is_the_definition_token_by_token() -> None:
    rng = np.random.default_rng(1)
    n_tokens, ratio, kv_heads, n_kv = 3, 5, 2, 4300  # beyond one chunk of the context
    q = rng.standard_normal((n_tokens, ratio * kv_heads, 8), dtype=np.float32)
    k = rng.standard_normal((n_kv, kv_heads, 8), dtype=np.float32)
    v = rng.standard_normal((n_kv, kv_heads, 4), dtype=np.float32)
    found = attention(q, k, v, causal_mask(n_tokens, n_kv, 64, unused=7), scale=0.5)
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
    before = attention(q, k, v, mask, scale=1.0)
    k[54:], v[54:] = 1e4, -1e4
    np.testing.assert_array_equal(attention(q, k, v, mask, scale=1.0), before)


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
