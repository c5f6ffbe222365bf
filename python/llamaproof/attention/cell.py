"""A cell: one attention node, by everything that decides which kernel computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from llamaproof.errors import BadInput
from llamaproof.ggml import GgmlType


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

# How K and V lie in memory: as the release's graph lays them, or otherwise.
# `V apart`: V has a tensor and values of its own, also where the heads are a latent's.
# `V first of K`, `V last of K`: V is a view of the first or the last columns of K.
# `odd strides`: K and V are views whose tokens and whose first element lie one element (of a
# quantised type: one block) off, so that nothing is aligned for a vector access.
Layout = Literal["", "V apart", "V first of K", "V last of K", "odd strides"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

# Cells between two streams of a cache that no node sees: a cache has room for more than is used.
_CELLS_BETWEEN_STREAMS = 256


@dataclass(frozen=True, kw_only=True, order=True)
class Cell:
    """One FLASH_ATTN_EXT node.

    Attributes:
        ratio: query heads per KV head (gqa_ratio).
        n_tokens: queries of each stream, the length of the ubatch.
        n_kv: keys of each stream, the length of the cache that is seen.
        n_kv_heads: KV heads; 1 where K and V come from a latent.
        n_streams: sequences with a cache of their own (ne[3] of Q, K, V and mask): what a server
            has without a unified cache.
        layout: of K and V in memory.
    """

    heads: HeadSizes
    type_k: GgmlType
    type_v: GgmlType
    extras: Extras
    ratio: int
    n_tokens: int
    n_kv: int
    n_kv_heads: int
    n_streams: int = 1
    layout: Layout = ""

    @property
    def types(self) -> str:
        """`f16`, or `q8_0/f16` where K and V differ."""
        k, v = self.type_k.label, self.type_v.label
        return k if k == v else f"{k}/{v}"

    @property
    def n_heads(self) -> int:
        """Query heads."""
        return self.ratio * self.n_kv_heads

    @property
    def all_tokens(self) -> int:
        """Queries of all streams."""
        return self.n_tokens * self.n_streams

    @property
    def kv_size(self) -> int:
        """Cells from the beginning of one stream's cache to that of the next."""
        return self.n_kv + (_CELLS_BETWEEN_STREAMS if self.n_streams > 1 else 0)

    @property
    def cache_rows(self) -> int:
        """Cells of the caches of all streams, those that nobody sees among them."""
        return self.kv_size * self.n_streams

    @property
    def layer(self) -> str:
        """What all nodes of a layer have in common: `576/512@20 f16`, `64@8 x2 f16 with sinks`."""
        kv_heads = f" x{self.n_kv_heads}" if self.n_kv_heads > 1 else ""
        extras = f" with {self.extras}" if str(self.extras) else ""
        layout = f", {self.layout}" if self.layout else ""
        streams = f" streams={self.n_streams}" if self.n_streams > 1 else ""
        return f"{self.heads}@{self.ratio}{kv_heads} {self.types}{extras}{layout}{streams}"

    def __str__(self) -> str:
        return f"{self.layer} tokens={self.n_tokens} kv={self.n_kv}"


def can_be_cached(heads: HeadSizes, type_k: GgmlType, type_v: GgmlType) -> bool:
    """Whether llama.cpp can hold heads of these sizes in a KV cache of these types.

    A head must be a whole number of the type's blocks (llama_init_from_model refuses others).
    """
    return heads.k % type_k.block_size == 0 and heads.v % type_v.block_size == 0


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
