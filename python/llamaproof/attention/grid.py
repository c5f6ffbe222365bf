"""The shapes of attention that models in the wild ask for, as data.

The default grid is a list of products of axes, each with the reason it is there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from llamaproof.attention.cell import (
    PLAIN,
    Cell,
    Extras,
    HeadSizes,
    Layout,
    can_be_cached,
    make_cell,
)
from llamaproof.ggml import GgmlType

MAX_RATIO = 128


@dataclass(frozen=True, kw_only=True)
class Axes:
    """A product of axes. K and V have the same type, but for `types_v`.

    Attributes:
        types_v: of V, where it is not K's.
        reason: why these cells are looked at, where it is not plain.
        n_kv_heads: KV heads; None for as many as `make_cell` gives.
    """

    heads: tuple[HeadSizes, ...]
    types: tuple[GgmlType, ...]
    ratios: tuple[int, ...]
    n_tokens: tuple[int, ...]
    n_kv: tuple[int, ...]
    extras: Extras = PLAIN
    n_kv_heads: int | None = None
    types_v: tuple[GgmlType, ...] = ()
    n_streams: tuple[int, ...] = (1,)
    layout: Layout = ""
    reason: str = ""

    def cells(self) -> Iterable[Cell]:
        """Every cell that llama.cpp could cache, the last axis fastest."""
        axes = itertools.product(
            self.heads, self._pairs, self.ratios, self.n_streams, self.n_tokens, self.n_kv
        )
        for heads, (type_k, type_v), ratio, n_streams, n_tokens, n_kv in axes:
            if can_be_cached(heads, type_k, type_v):
                cell = make_cell(heads, type_k, type_v, ratio, n_tokens, n_kv, self.extras)
                yield replace(
                    cell,
                    n_kv_heads=self.n_kv_heads or cell.n_kv_heads,
                    n_streams=n_streams,
                    layout=self.layout,
                )

    @property
    def _pairs(self) -> Sequence[tuple[GgmlType, GgmlType]]:
        if self.types_v:
            return list(itertools.product(self.types, self.types_v))
        return [(kind, kind) for kind in self.types]

    def narrowed(
        self,
        *,
        heads: Sequence[HeadSizes] | None = None,
        types: Sequence[GgmlType] | None = None,
        ratios: Sequence[int] | None = None,
        n_tokens: Sequence[int] | None = None,
        n_kv: Sequence[int] | None = None,
        n_kv_heads: int | None = None,
        types_v: Sequence[GgmlType] | None = None,
        n_streams: Sequence[int] | None = None,
        layout: Layout | None = None,
    ) -> Axes:
        """The same with some axes replaced by what was asked for; nothing leaves an axis."""
        return replace(
            self,
            heads=tuple(heads or self.heads),
            types=tuple(types or self.types),
            ratios=tuple(ratios or self.ratios),
            n_tokens=tuple(n_tokens or self.n_tokens),
            n_kv=tuple(n_kv or self.n_kv),
            n_kv_heads=n_kv_heads or self.n_kv_heads,
            types_v=tuple(types_v or self.types_v),
            n_streams=tuple(n_streams or self.n_streams),
            layout=layout or self.layout,
        )


def heads_of(*texts: str) -> tuple[HeadSizes, ...]:
    """Head sizes from texts such as `576/512`."""
    return tuple(HeadSizes.parse(text) for text in texts)


_F16, _BF16, _F32 = GgmlType.F16, GgmlType.BF16, GgmlType.F32
_Q8_0, _Q4_0, _Q5_1 = GgmlType.Q8_0, GgmlType.Q4_0, GgmlType.Q5_1

DEFAULT_TYPES = (_F16, _BF16, _F32, _Q8_0, _Q4_0, _Q5_1)


DEFAULT_HEADS = heads_of(
    "64", "72", "80", "96", "112", "128", "192/128", "192", "256", "320/256", "512", "576/512"
)

# Every ratio up to 8, then what decides between head groups of 2, 4, 8, 16 and 32: multiples of
# each that are no multiple of the next (10, 12, 20, 24, 40, 48), the powers of two, and one ratio
# that is far from all of them (71 is Falcon-7B's). 7 is Qwen2's, 12 is Mistral Large's.
DEFAULT_RATIOS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 71, 96, 128)

# MLA models: 128 DeepSeek V2, V3, 64 Kimi K2, 16 DeepSeek V2 Lite, 20 GLM-4.7-Flash. All multiples
# of 4, since a model's next release picks its own.
LATENT_RATIOS = tuple(sorted({*DEFAULT_RATIOS, *range(4, MAX_RATIO + 1, 4)}))

DEFAULT_N_TOKENS = (1, 2, 4, 8, 64, 512)

# A multiple of 256, as llama.cpp pads its cache, below every depth at which a release changes its
# choice of kernel (8192 on Ada and 16384 for MLA, in fattn.cu of 0.3.16 and of 0.3.36).
SHALLOW = 4096
# Above them.
DEEP = 32768

_LATENT = tuple(h for h in DEFAULT_HEADS if h.latent)
_GROUPED = tuple(h for h in DEFAULT_HEADS if not h.latent)

DEFAULT_GRID: tuple[Axes, ...] = (
    Axes(
        reason="what a GQA, MQA or MHA model asks for: a causal mask and nothing else",
        heads=_GROUPED,
        types=DEFAULT_TYPES,
        ratios=DEFAULT_RATIOS,
        n_tokens=DEFAULT_N_TOKENS,
        n_kv=(SHALLOW,),
    ),
    Axes(
        reason="what an MLA model asks for",
        heads=_LATENT,
        types=DEFAULT_TYPES,
        ratios=LATENT_RATIOS,
        n_tokens=DEFAULT_N_TOKENS,
        n_kv=(SHALLOW,),
    ),
    Axes(
        reason="few tokens deep in the context, where releases change to another kernel",
        heads=DEFAULT_HEADS,
        types=(_F16, _Q8_0),
        ratios=(1, 4, 5, 8, 12, 16, 20, 32, 64, 128),
        n_tokens=(1, 2, 4, 8),
        n_kv=(DEEP,),
    ),
    Axes(
        reason="logit softcap: Gemma 2 (256 at ratio 2, 128 at ratio 2), Grok (128 at ratio 6)",
        heads=heads_of("128", "256"),
        types=(_F16, _Q8_0),
        ratios=(1, 2, 4, 6, 8),
        n_tokens=(1, 8, 512),
        n_kv=(SHALLOW,),
        extras=Extras(softcap=50.0),
    ),
    Axes(
        reason="attention sinks: gpt-oss (64 at ratio 8), MiMo-V2 (192/128 at ratios 8 and 16)",
        heads=heads_of("64", "128", "192/128"),
        types=(_F16, _Q8_0),
        ratios=(1, 4, 8, 16),
        n_tokens=(1, 8, 512),
        n_kv=(SHALLOW,),
        extras=Extras(sinks=True),
    ),
    Axes(
        reason="ALiBi: BLOOM, MPT and Baichuan (MHA of 64 to 128), Refact and JinaBERT (64)",
        heads=heads_of("64", "80", "96", "112", "128"),
        types=(_F16,),
        ratios=(1, 8, 32),
        n_tokens=(1, 8, 512),
        n_kv=(SHALLOW,),
        extras=Extras(max_bias=8.0),
    ),
    Axes(
        reason="sequences with a cache of their own (ne[3]): a server without a unified cache",
        heads=heads_of("64", "128", "256", "576/512"),
        types=(_F16, _Q8_0),
        ratios=(1, 4, 5, 8, 16, 20),
        n_tokens=(1, 8, 512),
        n_kv=(SHALLOW,),
        n_streams=(2, 4, 8),
    ),
    Axes(
        reason="no mask: vision encoders (72 is SigLIP's) and cross attention",
        heads=heads_of("64", "72", "80", "96", "128"),
        types=(_F16,),
        ratios=(1, 8),
        n_tokens=(1, 64, 512),
        n_kv=(SHALLOW,),
        extras=Extras(mask=False),
    ),
)


def cells_of(
    products: Iterable[Axes],
    *,
    heads: Sequence[HeadSizes] | None = None,
) -> tuple[Cell, ...]:
    """The cells of several products, each once, sorted; only those of some head sizes, if given."""
    found = {cell for axes in products for cell in axes.cells()}
    return tuple(sorted(cell for cell in found if heads is None or cell.heads in heads))


def grid_for(heads: Sequence[HeadSizes]) -> tuple[Axes, ...]:
    """The default grid, and for head sizes it does not have a product like its first ones."""
    unknown = tuple(h for h in heads if h not in DEFAULT_HEADS)
    if not unknown:
        return DEFAULT_GRID
    asked = Axes(
        reason="head sizes that were asked for",
        heads=unknown,
        types=DEFAULT_TYPES,
        ratios=DEFAULT_RATIOS,
        n_tokens=DEFAULT_N_TOKENS,
        n_kv=(SHALLOW, DEEP),
    )
    return (*DEFAULT_GRID, asked)
