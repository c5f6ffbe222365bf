"""The attention shapes that are executed by default, as data."""

from __future__ import annotations

from llamaproof.attention.grid import MAX_RATIO, Axes, heads_of
from llamaproof.ggml import GgmlType

# 3 and 35 tokens leave tiles of queries partly empty; 600 keys are no multiple of the kernels'
# step of 256, where such a cache is allowed.
DEFAULT_SHAPES = Axes(
    heads=heads_of("64", "80", "128", "256", "576/512"),
    types=(GgmlType.F16, GgmlType.Q8_0, GgmlType.Q4_0),
    ratios=(1, 4, 5, 8, 16, 20, 128),
    n_tokens=(1, 3, 32, 35),
    n_kv=(256, 512, 600, 1024),
)

# What fits into minutes: each head size, type and ratio once with few and once with many tokens.
QUICK_SHAPES = (
    Axes(
        heads=heads_of("576/512"),
        types=(GgmlType.F16,),
        ratios=(4, 16, 20, 128),
        n_tokens=(1, 35),
        n_kv=(512,),
    ),
    Axes(
        heads=heads_of("64", "80", "128", "256"),
        types=(GgmlType.F16,),
        ratios=(1, 5, 8),
        n_tokens=(1, 35),
        n_kv=(512,),
    ),
    Axes(
        heads=heads_of("128"),
        types=(GgmlType.Q8_0, GgmlType.Q4_0),
        ratios=(4,),
        n_tokens=(1, 32),
        n_kv=(256,),
    ),
)


# What `llamaproof prove` executes, in a minute or two for each card: the head sizes that the
# patches are about at every ratio, those that fall back costing nothing; there also longer
# contexts, quantised K/V, and several KV heads, which upstream's head groups got wrong once; then
# the other head sizes. 3, 5 and 35 tokens leave tiles of queries partly empty.
_LATENT = heads_of("576/512")
_LATENT_RATIOS = (1, 2, 3, 5, 6, 7, 10, *range(4, 129, 4))

PROOF_SHAPES = (
    Axes(
        heads=_LATENT,
        types=(GgmlType.F16,),
        ratios=tuple(range(1, MAX_RATIO + 1)),
        n_tokens=(1, 5),
        n_kv=(256,),
    ),
    Axes(
        heads=_LATENT,
        types=(GgmlType.F16,),
        ratios=_LATENT_RATIOS,
        n_tokens=(1, 3, 35),
        n_kv=(512,),
    ),
    Axes(
        heads=_LATENT,
        types=(GgmlType.F16,),
        ratios=_LATENT_RATIOS,
        n_tokens=(1, 8),
        n_kv=(1024,),
    ),
    Axes(
        heads=_LATENT,
        types=(GgmlType.Q8_0, GgmlType.Q4_0),
        ratios=(4, 16, 20, 128),
        n_tokens=(1, 35),
        n_kv=(256,),
    ),
    Axes(
        heads=_LATENT,
        types=(GgmlType.F16,),
        ratios=(4, 5, 12, 20, 32),
        n_tokens=(1, 8, 35),
        n_kv=(256,),
        n_kv_heads=2,
    ),
    Axes(
        heads=heads_of("64", "80", "128", "256"),
        types=(GgmlType.F16,),
        ratios=(1, 4, 5, 8, 16, 20),
        n_tokens=(1, 3, 35),
        n_kv=(512,),
    ),
    Axes(
        heads=heads_of("64", "128", "256"),
        types=(GgmlType.Q8_0, GgmlType.Q4_0),
        ratios=(1, 4, 8),
        n_tokens=(1, 35),
        n_kv=(256,),
    ),
)
