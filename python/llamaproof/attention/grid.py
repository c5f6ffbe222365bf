"""The shapes of attention that models in the wild ask for, as data.

A cell is one FLASH_ATTN_EXT node. The default grid is a list of blocks, each the product of its
axes, each with the reason it is there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llamaproof.errors import BadInput
from llamaproof.ggml import GgmlType

MAX_RATIO = 128


@dataclass(frozen=True, kw_only=True, order=True)
class HeadSizes:
    """Head sizes of one attention layer: DKQ of Q and K, DV of V."""

    k: int
    v: int

    def __str__(self) -> str:
        return str(self.k) if self.k == self.v else f"{self.k}/{self.v}"

    @property
    def latent(self) -> bool:
        """Whether llama.cpp feeds these from one latent KV head (MLA), shared by all heads."""
        return (self.k, self.v) in ((576, 512), (320, 256))

    @classmethod
    def parse(cls, text: str) -> HeadSizes:
        """`576/512`, or `128` for equal sizes.

        Raises:
            BadInput: it is neither.
        """
        k, _, v = text.strip().partition("/")
        if not k.isdigit() or not (v or k).isdigit():
            raise BadInput(
                f"no head sizes: {text!r}", hint="write DKQ/DV as in 576/512, or 128 for both"
            )
        return cls(k=int(k), v=int(v or k))


@dataclass(frozen=True, kw_only=True, order=True)
class Extras:
    """What a node has besides Q, K and V.

    Attributes:
        mask: the KV mask, f16; without it every query sees every key.
        sinks: one f32 per head that takes part in the softmax.
        max_bias: ALiBi's, 0 for none.
        softcap: logit softcap, 0 for none.
    """

    mask: bool = True
    sinks: bool = False
    max_bias: float = 0.0
    softcap: float = 0.0

    def __str__(self) -> str:
        words = [
            "" if self.mask else "no mask",
            "sinks" if self.sinks else "",
            "ALiBi" if self.max_bias else "",
            "softcap" if self.softcap else "",
        ]
        return ", ".join(word for word in words if word)


PLAIN = Extras()


@dataclass(frozen=True, kw_only=True, order=True)
class Cell:
    """One FLASH_ATTN_EXT node.

    Attributes:
        ratio: query heads per KV head (gqa_ratio).
        n_tokens: queries, the length of the ubatch.
        n_kv: keys, the length of the cache that is seen.
        n_kv_heads: KV heads; 1 where K and V come from a latent.
    """

    heads: HeadSizes
    type_k: GgmlType
    type_v: GgmlType
    extras: Extras
    ratio: int
    n_tokens: int
    n_kv: int
    n_kv_heads: int

    @property
    def types(self) -> str:
        """`f16`, or `q8_0/f16` where K and V differ."""
        k, v = self.type_k.label, self.type_v.label
        return k if k == v else f"{k}/{v}"

    def __str__(self) -> str:
        extras = f" with {self.extras}" if str(self.extras) else ""
        return f"{self.heads}@{self.ratio}:{self.types}#{self.n_tokens} (n_kv {self.n_kv}){extras}"


def can_be_cached(heads: HeadSizes, type_k: GgmlType, type_v: GgmlType) -> bool:
    """Whether llama.cpp can hold heads of these sizes in a KV cache of these types.

    A head must be a whole number of the type's blocks (llama_init_from_model refuses others).
    """
    return heads.k % type_k.block_size == 0 and heads.v % type_v.block_size == 0


@dataclass(frozen=True, kw_only=True)
class Block:
    """A product of axes, and why it is asked.

    K and V have the same type. Types whose blocks do not fit a head size are left out.
    """

    reason: str
    heads: tuple[HeadSizes, ...]
    types: tuple[GgmlType, ...]
    ratios: tuple[int, ...]
    n_tokens: tuple[int, ...]
    n_kv: tuple[int, ...]
    extras: Extras = PLAIN

    def cells(self) -> Iterable[Cell]:
        """Every cell of the block."""
        axes = itertools.product(self.heads, self.types, self.ratios, self.n_tokens, self.n_kv)
        for heads, kind, ratio, n_tokens, n_kv in axes:
            if can_be_cached(heads, kind, kind):
                yield make_cell(heads, kind, kind, ratio, n_tokens, n_kv, self.extras)


def make_cell(
    heads: HeadSizes,
    type_k: GgmlType,
    type_v: GgmlType,
    ratio: int,
    n_tokens: int,
    n_kv: int,
    extras: Extras = PLAIN,
) -> Cell:
    """A cell with the KV heads that llama.cpp would give it: 1 for a latent, else 2.

    Two KV heads, since one alone hides a wrong stride or a wrong head offset.
    """
    return Cell(
        heads=heads,
        type_k=type_k,
        type_v=type_v,
        extras=extras,
        ratio=ratio,
        n_tokens=n_tokens,
        n_kv=n_kv,
        n_kv_heads=1 if heads.latent else 2,
    )


_F16, _BF16, _F32 = GgmlType.F16, GgmlType.BF16, GgmlType.F32
_Q8_0, _Q4_0, _Q5_1 = GgmlType.Q8_0, GgmlType.Q4_0, GgmlType.Q5_1

DEFAULT_TYPES = (_F16, _BF16, _F32, _Q8_0, _Q4_0, _Q5_1)


def _heads(*texts: str) -> tuple[HeadSizes, ...]:
    return tuple(HeadSizes.parse(text) for text in texts)


DEFAULT_HEADS = _heads(
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

DEFAULT_GRID: tuple[Block, ...] = (
    Block(
        reason="what a GQA, MQA or MHA model asks for: a causal mask and nothing else",
        heads=_GROUPED,
        types=DEFAULT_TYPES,
        ratios=DEFAULT_RATIOS,
        n_tokens=DEFAULT_N_TOKENS,
        n_kv=(SHALLOW,),
    ),
    Block(
        reason="what an MLA model asks for",
        heads=_LATENT,
        types=DEFAULT_TYPES,
        ratios=LATENT_RATIOS,
        n_tokens=DEFAULT_N_TOKENS,
        n_kv=(SHALLOW,),
    ),
    Block(
        reason="few tokens deep in the context, where releases change to another kernel",
        heads=DEFAULT_HEADS,
        types=(_F16, _Q8_0),
        ratios=(1, 4, 5, 8, 12, 16, 20, 32, 64, 128),
        n_tokens=(1, 2, 4, 8),
        n_kv=(DEEP,),
    ),
    Block(
        reason="logit softcap: Gemma 2 (256 at ratio 2, 128 at ratio 2), Grok (128 at ratio 6)",
        heads=_heads("128", "256"),
        types=(_F16, _Q8_0),
        ratios=(1, 2, 4, 6, 8),
        n_tokens=(1, 8, 512),
        n_kv=(SHALLOW,),
        extras=Extras(softcap=50.0),
    ),
    Block(
        reason="attention sinks: gpt-oss (64 at ratio 8), MiMo-V2 (192/128 at ratios 8 and 16)",
        heads=_heads("64", "128", "192/128"),
        types=(_F16, _Q8_0),
        ratios=(1, 4, 8, 16),
        n_tokens=(1, 8, 512),
        n_kv=(SHALLOW,),
        extras=Extras(sinks=True),
    ),
    Block(
        reason="ALiBi: BLOOM, MPT and Baichuan (MHA of 64 to 128), Refact and JinaBERT (64)",
        heads=_heads("64", "80", "96", "112", "128"),
        types=(_F16,),
        ratios=(1, 8, 32),
        n_tokens=(1, 8, 512),
        n_kv=(SHALLOW,),
        extras=Extras(max_bias=8.0),
    ),
    Block(
        reason="no mask: vision encoders (72 is SigLIP's) and cross attention",
        heads=_heads("64", "72", "80", "96", "128"),
        types=(_F16,),
        ratios=(1, 8),
        n_tokens=(1, 64, 512),
        n_kv=(SHALLOW,),
        extras=Extras(mask=False),
    ),
)


def cells_of(
    blocks: Iterable[Block],
    *,
    heads: Sequence[HeadSizes] | None = None,
) -> tuple[Cell, ...]:
    """The cells of blocks, each once, sorted; only those of some head sizes, if given."""
    found = {cell for block in blocks for cell in block.cells()}
    return tuple(sorted(cell for cell in found if heads is None or cell.heads in heads))


def grid_for(heads: Sequence[HeadSizes]) -> tuple[Block, ...]:
    """The default grid, and for head sizes it does not have a block like its first ones."""
    unknown = tuple(h for h in heads if h not in DEFAULT_HEADS)
    if not unknown:
        return DEFAULT_GRID
    asked = Block(
        reason="head sizes that were asked for",
        heads=unknown,
        types=DEFAULT_TYPES,
        ratios=DEFAULT_RATIOS,
        n_tokens=DEFAULT_N_TOKENS,
        n_kv=(SHALLOW, DEEP),
    )
    return (*DEFAULT_GRID, asked)
