"""What is measured: a point for each combination of shape, type, tokens and context, as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from llamaproof.attention.cell import PLAIN, Cell, Extras, HeadSizes
from llamaproof.attention.families import RANDOM_NAME, Family
from llamaproof.attention.grid import Axes, heads_of
from llamaproof.errors import BadInput
from llamaproof.ggml import GgmlType

UBATCH = 512  # n_ubatch of llama_context_default_params, all releases from 0.3.16 on

TOKENS = (1, 4, 8, 64, 512)
FEW_TOKENS = 8  # steps of a conversation, or of a few at once; more is a prompt being read
N_KV = tuple(1024 << i for i in range(8))
KV_TYPES = (GgmlType.F16, GgmlType.Q8_0)
PROMPTS = tuple(n for n in N_KV if n <= 16384)
# For the emulator, which does about 1e10 operations of attention a second on two cores.
EMULATED_N_KV = tuple(n for n in N_KV if n <= 16384)
_EMULATED_FLOP = 1.2e11

GRID = (
    Axes(
        reason="20 is GLM-4.7-Flash, 16 DeepSeek-V2-Lite, 128 DeepSeek-V3; 32 is what a padded "
        "pair of 16-wide head groups costs, which bounds what 20 may",
        heads=heads_of("576/512"),
        types=KV_TYPES,
        ratios=(20, 16, 32, 128),
        n_tokens=TOKENS,
        n_kv=N_KV,
    ),
    Axes(
        reason="4 is Llama-3-8B, 5 Qwen3-14B, 8 Llama-3-70B",
        heads=heads_of("128"),
        types=KV_TYPES,
        ratios=(4, 5, 8),
        n_tokens=TOKENS,
        n_kv=N_KV,
        n_kv_heads=8,
    ),
)
# Of head sizes that are not in the grid.
_OTHER_RATIOS = (1, 4, 8)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One measured point. Its cost, bytes and operations are those of one layer.

    Attributes:
        prompt: False for the cell by itself; True for a whole prompt of n_kv tokens, of which the
            cell is the last ubatch: its cost is the sum over the ubatches.
        inputs: the family that a check fills tensors from; what is timed or counted is random.
    """

    cell: Cell
    prompt: bool = False
    inputs: str = RANDOM_NAME

    @property
    def steps(self) -> tuple[Cell, ...]:
        """The ubatches, in order."""
        if not self.prompt:
            return (self.cell,)
        step = self.cell.n_tokens
        return tuple(replace(self.cell, n_kv=n) for n in range(step, self.cell.n_kv + 1, step))

    def varied(self, **values: Any) -> Point:
        """The same with other values of the cell."""
        return replace(self, cell=replace(self.cell, **values))

    @property
    def visible(self) -> int:
        """Pairs of a query token and a K/V cell that the causal mask lets through."""
        n_tokens = self.cell.n_tokens
        behind = n_tokens * (n_tokens - 1) // 2
        of_stream = sum(n_tokens * step.n_kv - behind for step in self.steps)
        return self.cell.n_streams * of_stream

    @property
    def flop(self) -> int:
        """Operations of the two matrix products over the visible pairs."""
        return 2 * (self.cell.heads.k + self.cell.heads.v) * self.cell.n_heads * self.visible

    @property
    def row(self) -> str:
        """What it has in common with the points that differ in n_kv alone."""
        return f"{self.cell.layer} tokens={self.cell.n_tokens}"

    def __str__(self) -> str:
        inputs = "" if self.inputs == RANDOM_NAME else f", {self.inputs} inputs"
        return f"{self.row} {'prompt' if self.prompt else 'kv'}={self.cell.n_kv}{inputs}"

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not the rule is there only where the point has it."""
        cell = self.cell
        return {
            "head_k": cell.heads.k,
            "head_v": cell.heads.v,
            "n_kv_heads": cell.n_kv_heads,
            "gqa_ratio": cell.ratio,
            "kv_type": cell.types,
            "n_tokens": cell.n_tokens,
            "n_kv": cell.n_kv,
            "prompt": self.prompt,
            **(asdict(cell.extras) if cell.extras != PLAIN else {}),
            **({"n_streams": cell.n_streams} if cell.n_streams > 1 else {}),
            **({"layout": cell.layout} if cell.layout else {}),
            **({"inputs": self.inputs} if self.inputs != RANDOM_NAME else {}),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Point:
        """A point of a record.

        Raises:
            BadInput: fields are missing or unknown.
        """
        try:
            rest = dict(value)
            type_k, _, type_v = rest.pop("kv_type").partition("/")
            cell = Cell(
                heads=HeadSizes(k=rest.pop("head_k"), v=rest.pop("head_v")),
                type_k=GgmlType.parse(type_k),
                type_v=GgmlType.parse(type_v or type_k),
                ratio=rest.pop("gqa_ratio"),
                n_tokens=rest.pop("n_tokens"),
                n_kv=rest.pop("n_kv"),
                n_kv_heads=rest.pop("n_kv_heads"),
                extras=Extras(**{k: rest.pop(k) for k in asdict(PLAIN) if k in rest}),
                n_streams=rest.pop("n_streams", 1),
                layout=rest.pop("layout", ""),
            )
            return cls(cell=cell, **rest)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadInput(f"not a cell: {value!r} ({error})") from error


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What of the default grid is wanted; None takes the default."""

    head_sizes: Sequence[HeadSizes] | None = None
    gqa_ratios: Sequence[int] | None = None
    tokens: Sequence[int] | None = None
    n_kv: Sequence[int] | None = None
    kv_types: Sequence[GgmlType] | None = None
    n_kv_heads: int | None = None
    n_streams: Sequence[int] | None = None
    prompts: bool = True


def filled(points: Sequence[Point], families: Sequence[Family]) -> tuple[Point, ...]:
    """The points to check: each with each family's data, and what its node must have for it."""
    return tuple(
        dict.fromkeys(
            replace(point, cell=family.fitted(point.cell), inputs=family.name)
            for point in points
            for family in families
        )
    )


def select(selection: Selection) -> tuple[Point, ...]:
    """The points of a selection, most telling first, so that a time limit cuts the least telling:
    the first K/V type, few tokens before many, and whole prompts last.

    Ratios and head sizes outside the defaults are taken as given.
    """
    # A ubatch is in the cache that it attends to.
    cells = [c for axes in _axes(selection) for c in axes.cells() if c.n_tokens <= c.n_kv]
    points = [Point(cell=cell) for cell in cells]
    if selection.prompts:
        points += [
            Point(cell=cell, prompt=True)
            for cell in cells
            if cell.n_tokens == UBATCH and cell.n_kv in PROMPTS and cell.n_streams == 1
        ]
    types = list(selection.kv_types or KV_TYPES)
    return tuple(
        sorted(
            points,
            key=lambda p: (types.index(p.cell.type_k), p.prompt, p.cell.n_tokens > FEW_TOKENS),
        )
    )


def select_emulated(selection: Selection) -> tuple[Point, ...]:
    """A selection's points for an emulator, least work first, so that a time limit cuts the fewest.

    Where tokens and n_kv are left open, those that two cores get through in some minutes.
    """
    points = select(
        replace(
            selection,
            n_kv=selection.n_kv if selection.n_kv is not None else EMULATED_N_KV,
            kv_types=selection.kv_types if selection.kv_types is not None else KV_TYPES[:1],
            prompts=False,  # a prompt's work is the sum of its ubatches'
        )
    )
    if selection.tokens is None and selection.n_kv is None:
        points = tuple(point for point in points if _is_light(point))
    return tuple(sorted(points, key=lambda point: point.flop))


def _is_light(point: Point) -> bool:
    few = point.cell.n_tokens <= FEW_TOKENS
    return few or (point.cell.heads.latent and point.flop <= _EMULATED_FLOP)


def _axes(selection: Selection) -> Iterator[Axes]:
    known = {axes.heads[0]: axes for axes in GRID}
    for heads in selection.head_sizes if selection.head_sizes is not None else known:
        other = replace(GRID[0], heads=(heads,), ratios=_OTHER_RATIOS)
        axes = known.get(heads, other)
        ratios = selection.gqa_ratios if selection.gqa_ratios is not None else axes.ratios
        if selection.head_sizes is None:
            ratios = [ratio for ratio in ratios if ratio in axes.ratios]
        asked = axes.narrowed(
            types=selection.kv_types,
            n_tokens=selection.tokens,
            n_kv=selection.n_kv,
            n_kv_heads=selection.n_kv_heads,
            n_streams=selection.n_streams,
        )
        yield replace(asked, ratios=tuple(ratios))
