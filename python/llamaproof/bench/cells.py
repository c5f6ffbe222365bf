"""What is measured: one cell for each combination of shape, type, tokens and context, as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from llamaproof.attention.cell import HeadSizes
from llamaproof.errors import BadInput

# Bytes and accumulations are counted per FLASH_ATTN_EXT node, that is, per layer.
UBATCH = 512  # n_ubatch of llama_context_default_params, all releases from 0.3.16 on


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Attention geometry of a kind of model.

    Attributes:
        head_k: columns of a K (and Q) head.
        head_v: columns of a V head; with head_k 576 it is the latent part of K (MLA).
        n_kv_heads: K/V heads; query heads are this times the GQA ratio.
        gqa_ratios: the ratios measured.
    """

    head_k: int
    head_v: int
    n_kv_heads: int
    gqa_ratios: tuple[int, ...]


# MLA has one latent K/V head: 20 is GLM-4.7-Flash, 16 DeepSeek-V2-Lite, 128 DeepSeek-V3; 32 is
# what a padded pair of 16-wide head groups costs, which bounds what 20 may.
# (128, 128) with 8 K/V heads: 4 is Llama-3-8B, 5 Qwen3-14B, 8 Llama-3-70B.
SHAPES = (
    Shape(head_k=576, head_v=512, n_kv_heads=1, gqa_ratios=(20, 16, 32, 128)),
    Shape(head_k=128, head_v=128, n_kv_heads=8, gqa_ratios=(4, 5, 8)),
)
TOKENS = (1, 4, 8, 64, 512)
FEW_TOKENS = 8  # steps of a conversation, or of a few at once; more is a prompt being read
N_KV = tuple(1024 << i for i in range(8))
KV_TYPES = ("f16", "q8_0")
PROMPTS = tuple(n for n in N_KV if n <= 16384)
# For the emulator, which does about 1e10 operations of attention a second on two cores.
EMULATED_N_KV = tuple(n for n in N_KV if n <= 16384)
_EMULATED_FLOP = 1.2e11


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measured point.

    Attributes:
        gqa_ratio: query heads per K/V head.
        kv_type: ggml's name of the type of K and V.
        n_tokens: query tokens of one ubatch.
        n_kv: cells of the KV cache that are attended to.
        prompt: the cell is a whole prompt of n_kv tokens, in ubatches of n_tokens; its cost is
            the sum over the ubatches.
    """

    head_k: int
    head_v: int
    n_kv_heads: int
    gqa_ratio: int
    kv_type: str
    n_tokens: int
    n_kv: int
    prompt: bool = False

    @property
    def n_heads(self) -> int:
        """Query heads."""
        return self.gqa_ratio * self.n_kv_heads

    @property
    def heads(self) -> HeadSizes:
        """The head sizes of K and V."""
        return HeadSizes(k=self.head_k, v=self.head_v)

    @property
    def is_latent(self) -> bool:
        """Whether V is a part of K (MLA)."""
        return self.heads.latent

    @property
    def steps(self) -> tuple[int, ...]:
        """n_kv of each ubatch of the cell, in order."""
        if not self.prompt:
            return (self.n_kv,)
        return tuple(range(self.n_tokens, self.n_kv + 1, self.n_tokens))

    @property
    def visible(self) -> int:
        """Pairs of a query token and a K/V cell that the causal mask lets through."""
        behind = self.n_tokens * (self.n_tokens - 1) // 2
        return sum(self.n_tokens * n_kv - behind for n_kv in self.steps)

    @property
    def flop(self) -> int:
        """Operations of the two matrix products over the visible pairs, per layer."""
        return 2 * (self.head_k + self.head_v) * self.n_heads * self.visible

    @property
    def label(self) -> str:
        """A short name, unique among cells: `576/512@20 f16 tokens=1 kv=4096`."""
        heads = f" x{self.n_kv_heads}" if self.n_kv_heads > 1 else ""
        what = "prompt" if self.prompt else "kv"
        return (
            f"{self.head_k}/{self.head_v}@{self.gqa_ratio}{heads} {self.kv_type} "
            f"tokens={self.n_tokens} {what}={self.n_kv}"
        )

    def to_json(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Cell:
        """A cell of a record.

        Raises:
            BadInput: fields are missing or unknown.
        """
        try:
            return cls(**value)
        except TypeError as error:
            raise BadInput(f"not a cell: {value!r} ({error})") from error


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What of the default grid is wanted; None takes the default."""

    head_sizes: Sequence[tuple[int, int]] | None = None
    gqa_ratios: Sequence[int] | None = None
    tokens: Sequence[int] | None = None
    n_kv: Sequence[int] | None = None
    kv_types: Sequence[str] | None = None
    n_kv_heads: int | None = None
    prompts: bool = True


def select(selection: Selection) -> tuple[Cell, ...]:
    """The cells of a selection, most telling first, so that a time limit cuts the least telling:
    the first K/V type, few tokens before many, and whole prompts last.

    Ratios and head sizes outside the defaults are taken as given.
    """
    tokens = selection.tokens if selection.tokens is not None else TOKENS
    lengths = selection.n_kv if selection.n_kv is not None else N_KV
    types = selection.kv_types if selection.kv_types is not None else KV_TYPES
    cells: list[Cell] = []
    for kv_type in types:
        for shape in _shapes(selection):
            for gqa_ratio in shape.gqa_ratios:
                base: dict[str, Any] = {
                    "head_k": shape.head_k,
                    "head_v": shape.head_v,
                    "n_kv_heads": selection.n_kv_heads or shape.n_kv_heads,
                    "gqa_ratio": gqa_ratio,
                    "kv_type": kv_type,
                }
                cells += [
                    Cell(n_tokens=n, n_kv=n_kv, **base)
                    for n in tokens
                    for n_kv in lengths
                    if n_kv >= n
                ]
                if selection.prompts and UBATCH in tokens:
                    cells += [
                        Cell(n_tokens=UBATCH, n_kv=n_kv, prompt=True, **base)
                        for n_kv in PROMPTS
                        if n_kv in lengths
                    ]
    order = {kv_type: index for index, kv_type in enumerate(types)}
    return tuple(sorted(cells, key=lambda c: (order[c.kv_type], c.prompt, c.n_tokens > FEW_TOKENS)))


def select_emulated(selection: Selection) -> tuple[Cell, ...]:
    """A selection's cells for an emulator, least work first, so that a time limit cuts the fewest.

    Where tokens and n_kv are left open, those that two cores get through in some minutes.
    """
    cells = select(
        replace(
            selection,
            n_kv=selection.n_kv if selection.n_kv is not None else EMULATED_N_KV,
            kv_types=selection.kv_types if selection.kv_types is not None else KV_TYPES[:1],
            prompts=False,  # a prompt's work is the sum of its ubatches'
        )
    )
    if selection.tokens is None and selection.n_kv is None:
        cells = tuple(cell for cell in cells if _is_light(cell))
    return tuple(sorted(cells, key=lambda cell: cell.flop))


def _is_light(cell: Cell) -> bool:
    return cell.n_tokens <= FEW_TOKENS or (cell.is_latent and cell.flop <= _EMULATED_FLOP)


def _shapes(selection: Selection) -> Iterable[Shape]:
    wanted = selection.head_sizes
    known = {(s.head_k, s.head_v): s for s in SHAPES}
    for head_k, head_v in wanted if wanted is not None else known:
        shape = known.get((head_k, head_v))
        default = shape.gqa_ratios if shape is not None else (1, 4, 8)
        ratios = selection.gqa_ratios
        if wanted is None and ratios is not None and shape is not None:
            ratios = [r for r in ratios if r in default]
        yield Shape(
            head_k=head_k,
            head_v=head_v,
            n_kv_heads=shape.n_kv_heads if shape is not None else 1,
            gqa_ratios=tuple(ratios) if ratios is not None else default,
        )
