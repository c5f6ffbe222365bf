"""The attention shapes that are executed by default, as data."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llamaproof.dispatch.grid import Cell, HeadSizes, can_be_cached, make_cell
from llamaproof.ggml import GgmlType


def _heads(*texts: str) -> tuple[HeadSizes, ...]:
    return tuple(HeadSizes.parse(text) for text in texts)


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """A product of axes. K and V have the same type."""

    heads: tuple[HeadSizes, ...]
    types: tuple[GgmlType, ...]
    ratios: tuple[int, ...]
    n_tokens: tuple[int, ...]
    n_kv: tuple[int, ...]

    def cells(self) -> tuple[Cell, ...]:
        """Every cell that llama.cpp could cache, sorted."""
        axes = itertools.product(self.heads, self.types, self.ratios, self.n_tokens, self.n_kv)
        return tuple(
            sorted(
                make_cell(heads, kind, kind, ratio, n_tokens, n_kv)
                for heads, kind, ratio, n_tokens, n_kv in axes
                if can_be_cached(heads, kind, kind)
            )
        )

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


def cells_of(shapes: Iterable[Shapes]) -> tuple[Cell, ...]:
    """The cells of several products, each once, sorted."""
    return tuple(sorted({cell for product in shapes for cell in product.cells()}))
