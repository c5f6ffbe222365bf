"""The attention shapes that are executed by default, as data."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from llamaproof.attention.grid import MAX_RATIO, Cell, HeadSizes, can_be_cached, make_cell
from llamaproof.ggml import GgmlType


def _heads(*texts: str) -> tuple[HeadSizes, ...]:
    return tuple(HeadSizes.parse(text) for text in texts)


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """A product of axes. K and V have the same type.

    Attributes:
        n_kv_heads: KV heads; None for as many as llama.cpp would give them (`grid.make_cell`).
    """

    heads: tuple[HeadSizes, ...]
    types: tuple[GgmlType, ...]
    ratios: tuple[int, ...]
    n_tokens: tuple[int, ...]
    n_kv: tuple[int, ...]
    n_kv_heads: int | None = None

    def cells(self) -> tuple[Cell, ...]:
        """Every cell that llama.cpp could cache, sorted."""
        axes = itertools.product(self.heads, self.types, self.ratios, self.n_tokens, self.n_kv)
        made = (
            make_cell(heads, kind, kind, ratio, n_tokens, n_kv)
            for heads, kind, ratio, n_tokens, n_kv in axes
            if can_be_cached(heads, kind, kind)
        )
        if self.n_kv_heads is None:
            return tuple(sorted(made))
        return tuple(sorted(replace(cell, n_kv_heads=self.n_kv_heads) for cell in made))

    def narrowed(
        self,
        *,
        heads: Sequence[HeadSizes] = (),
        types: Sequence[GgmlType] = (),
        ratios: Sequence[int] = (),
        n_tokens: Sequence[int] = (),
        n_kv: Sequence[int] = (),
    ) -> Shapes:
        """The same with some axes replaced by what was asked for."""
        return Shapes(
            heads=tuple(heads) or self.heads,
            types=tuple(types) or self.types,
            ratios=tuple(ratios) or self.ratios,
            n_tokens=tuple(n_tokens) or self.n_tokens,
            n_kv=tuple(n_kv) or self.n_kv,
            n_kv_heads=self.n_kv_heads,
        )


# 3 and 35 tokens leave tiles of queries partly empty; 600 keys are no multiple of the kernels'
# step of 256, where such a cache is allowed.
DEFAULT_SHAPES = Shapes(
    heads=_heads("64", "80", "128", "256", "576/512"),
    types=(GgmlType.F16, GgmlType.Q8_0, GgmlType.Q4_0),
    ratios=(1, 4, 5, 8, 16, 20, 128),
    n_tokens=(1, 3, 32, 35),
    n_kv=(256, 512, 600, 1024),
)

# What fits into minutes: each head size, type and ratio once with few and once with many tokens.
QUICK_SHAPES = (
    Shapes(
        heads=_heads("576/512"),
        types=(GgmlType.F16,),
        ratios=(4, 16, 20, 128),
        n_tokens=(1, 35),
        n_kv=(512,),
    ),
    Shapes(
        heads=_heads("64", "80", "128", "256"),
        types=(GgmlType.F16,),
        ratios=(1, 5, 8),
        n_tokens=(1, 35),
        n_kv=(512,),
    ),
    Shapes(
        heads=_heads("128"),
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
_LATENT = _heads("576/512")
_LATENT_RATIOS = (1, 2, 3, 5, 6, 7, 10, *range(4, 129, 4))

PROOF_SHAPES = (
    Shapes(
        heads=_LATENT,
        types=(GgmlType.F16,),
        ratios=tuple(range(1, MAX_RATIO + 1)),
        n_tokens=(1, 5),
        n_kv=(256,),
    ),
    Shapes(
        heads=_LATENT,
        types=(GgmlType.F16,),
        ratios=_LATENT_RATIOS,
        n_tokens=(1, 3, 35),
        n_kv=(512,),
    ),
    Shapes(
        heads=_LATENT,
        types=(GgmlType.F16,),
        ratios=_LATENT_RATIOS,
        n_tokens=(1, 8),
        n_kv=(1024,),
    ),
    Shapes(
        heads=_LATENT,
        types=(GgmlType.Q8_0, GgmlType.Q4_0),
        ratios=(4, 16, 20, 128),
        n_tokens=(1, 35),
        n_kv=(256,),
    ),
    Shapes(
        heads=_LATENT,
        types=(GgmlType.F16,),
        ratios=(4, 5, 12, 20, 32),
        n_tokens=(1, 8, 35),
        n_kv=(256,),
        n_kv_heads=2,
    ),
    Shapes(
        heads=_heads("64", "80", "128", "256"),
        types=(GgmlType.F16,),
        ratios=(1, 4, 5, 8, 16, 20),
        n_tokens=(1, 3, 35),
        n_kv=(512,),
    ),
    Shapes(
        heads=_heads("64", "128", "256"),
        types=(GgmlType.Q8_0, GgmlType.Q4_0),
        ratios=(1, 4, 8),
        n_tokens=(1, 35),
        n_kv=(256,),
    ),
)


def cells_of(shapes: Iterable[Shapes]) -> tuple[Cell, ...]:
    """The cells of several products, each once, sorted."""
    return tuple(sorted({cell for product in shapes for cell in product.cells()}))
