"""Many cells in few words: one row per head size pair and type."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from llamaproof.attention.cell import Cell, Extras, HeadSizes
from llamaproof.attention.grid import DEFAULT_TYPES
from llamaproof.dispatch.changes import Change, ChangeVerdict
from llamaproof.placement.outcome import CellOutcome, Kind

Quality = Literal["good", "mixed", "cpu", "abort"]

_LONGEST_LIST = 6
_STEPS = (2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, kw_only=True, order=True)
class RowKey:
    """What a row of a table stands for."""

    extras: Extras
    heads: HeadSizes
    types: str
    in_streams: bool = False
    layout: str = ""

    def __str__(self) -> str:
        extras = f" +{self.extras}" if str(self.extras) else ""
        return f"{self.heads} {self.types}{extras}{self.kind}"

    @property
    def kind(self) -> str:
        """What its cells are beside one sequence on a cache as the release lays it."""
        words = [self.layout] if self.layout else []
        words += ["in streams"] if self.in_streams else []
        return f" {', '.join(words)}" if words else ""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What became of some cells.

    Attributes:
        text: kernel families, with the ratios where not all have the same.
        quality: `good` all on the GPU; `mixed` some; `cpu` none; `abort` where any aborts.
        real_share: lowest and highest share of real columns of those on the GPU.
    """

    text: str
    quality: Quality
    real_share: tuple[float, float] | None


def row_key(cell: Cell) -> RowKey:
    """The row a cell belongs to."""
    return RowKey(
        extras=cell.extras,
        heads=cell.heads,
        types=cell.types,
        in_streams=cell.n_streams > 1,
        layout=cell.layout,
    )


def rows_of(cells: Iterable[Cell]) -> tuple[RowKey, ...]:
    """The rows of some cells, plain ones first, by head sizes."""
    keys = {row_key(cell) for cell in cells}
    return tuple(sorted(keys, key=lambda k: (str(k.extras), k.kind, k.heads, _type_rank(k.types))))


def word(outcome: CellOutcome) -> str:
    """One word for an outcome: a kernel's family, `CPU`, or `aborts`."""
    return outcome.use.kernel.family if outcome.use is not None else place(outcome)


def place(outcome: CellOutcome) -> str:
    """Where a cell runs: `GPU`, `CPU`, or `aborts`."""
    words: dict[Kind, str] = {"kernel": "GPU", "cpu": "CPU", "abort": "aborts"}
    return words[outcome.kind]


def summarise(
    outcomes: Mapping[Cell, CellOutcome], *, say: Callable[[CellOutcome], str] = word
) -> Summary:
    """Sum up the cells of one row, or of a part of it, in the words that `say` has for each."""
    words_by_ratio: dict[int, set[str]] = {}
    for cell, outcome in outcomes.items():
        words_by_ratio.setdefault(cell.ratio, set()).add(say(outcome))
    ratios_by_words: dict[tuple[str, ...], list[int]] = {}
    for ratio, words in sorted(words_by_ratio.items()):
        ratios_by_words.setdefault(tuple(sorted(words, key=_rank)), []).append(ratio)
    text = " · ".join(
        "+".join(words) + _where(ratios, words_by_ratio)
        for words, ratios in sorted(ratios_by_words.items(), key=lambda kv: _rank(kv[0][0]))
    )
    shares = [o.use.real_share for o in outcomes.values() if o.use is not None and o.use.columns]
    return Summary(
        text=text,
        quality=_quality(outcomes.values()),
        real_share=(min(shares), max(shares)) if shares else None,
    )


def summarise_by_depth(
    outcomes: Mapping[Cell, CellOutcome], *, say: Callable[[CellOutcome], str] = word
) -> Summary:
    """Sum up cells of one row at several depths of context.

    The shallowest depth is put into words; a deeper one only where it differs.
    """
    depths = sorted({cell.n_kv for cell in outcomes})
    shallow = _at_depth(outcomes, depths[0])
    text = summarise(shallow, say=say).text
    for depth in depths[1:]:
        deep = _at_depth(outcomes, depth)
        same = {_without_depth(cell): say(outcome) for cell, outcome in shallow.items()}
        if any(same.get(_without_depth(c), say(o)) != say(o) for c, o in deep.items()):
            text += f"; n_kv {depth}: {summarise(deep, say=say).text}"
    return dataclasses.replace(summarise(outcomes, say=say), text=text)


def ratios_in_words(
    ratios: Collection[int], among: Collection[int], *, most_runs: int = _LONGEST_LIST
) -> str:
    """Ratios, as a multiple where those are exactly the multiples among all that were asked.

    Args:
        most_runs: ratios that are neighbours are listed as a run; more runs than these are counted.
    """
    chosen, whole = set(ratios), set(among)
    if chosen == whole:
        return "every ratio" if len(whole) > 1 else f"ratio {next(iter(whole))}"
    multiples = _as_multiples(chosen, whole)
    if multiples is not None:
        return multiples
    runs = _runs(sorted(chosen), sorted(whole))
    if len(runs) <= most_runs:
        return ",".join(runs)
    return f"{len(chosen)} of {len(whole)} ratios"


def _as_multiples(chosen: set[int], whole: set[int]) -> str | None:
    """`%16`, `not %16` or `%4 not %16`, where that says which they are; None where none does.

    Of several ways to say it, the one that claims least about ratios that were not asked.
    """
    for step in reversed(_STEPS):
        if chosen == {r for r in whole if r % step == 0}:
            return f"%{step}"
    for step in _STEPS:
        if chosen == {r for r in whole if r % step}:
            return f"not %{step}"
    for step, other in itertools.product(reversed(_STEPS), _STEPS):
        if chosen == {r for r in whole if r % step == 0 and r % other}:
            return f"%{step} not %{other}"
    return None


@dataclass(frozen=True, kw_only=True)
class ChangeGroup:
    """Cells of one row that changed in the same way."""

    gpu: str
    verdict: ChangeVerdict
    row: RowKey
    before: str
    after: str
    ratios: str
    n_tokens: tuple[int, ...]
    count: int


def group_changes(changes: Iterable[Change], cells: Iterable[Cell]) -> tuple[ChangeGroup, ...]:
    """Sum up changes, worst first.

    Args:
        cells: all that were compared; ratios are put into words among them.
    """
    asked: dict[RowKey, set[int]] = {}
    for cell in cells:
        asked.setdefault(row_key(cell), set()).add(cell.ratio)
    groups: dict[tuple[str, ChangeVerdict, RowKey, str, str], list[Change]] = {}
    for change in changes:
        before, after = _pair_of_words(change)
        key = (change.gpu, change.verdict, row_key(change.cell), before, after)
        groups.setdefault(key, []).append(change)
    order: tuple[ChangeVerdict, ...] = ("worse", "different", "better", "same")
    found = [
        ChangeGroup(
            gpu=gpu,
            verdict=verdict,
            row=row,
            before=before,
            after=after,
            ratios=ratios_in_words({c.cell.ratio for c in members}, asked[row]),
            n_tokens=tuple(sorted({c.cell.n_tokens for c in members})),
            count=len(members),
        )
        for (gpu, verdict, row, before, after), members in groups.items()
    ]
    return tuple(sorted(found, key=lambda g: (order.index(g.verdict), g.gpu, g.row, g.after)))


def _at_depth(outcomes: Mapping[Cell, CellOutcome], n_kv: int) -> dict[Cell, CellOutcome]:
    return {cell: outcome for cell, outcome in outcomes.items() if cell.n_kv == n_kv}


def _without_depth(cell: Cell) -> Cell:
    return dataclasses.replace(cell, n_kv=0)


def _type_rank(types: str) -> tuple[int, str]:
    labels = [kind.label for kind in DEFAULT_TYPES]
    return (labels.index(types) if types in labels else len(labels)), types


def _pair_of_words(change: Change) -> tuple[str, str]:
    """Before and after; the tile too where the families are the same."""
    before, after = word(change.before), word(change.after)
    if before == after and change.before.use and change.after.use:
        return change.before.use.kernel.short, change.after.use.kernel.short
    return before, after


def _quality(outcomes: Iterable[CellOutcome]) -> Quality:
    kinds = {outcome.kind for outcome in outcomes}
    if "abort" in kinds:
        return "abort"
    if kinds == {"kernel"}:
        return "good"
    return "mixed" if "kernel" in kinds else "cpu"


def _rank(text: str) -> tuple[int, str]:
    known = ("GPU", "mma", "wmma", "tile", "vec", "unknown", "CPU", "aborts")
    return known.index(text) if text in known else len(known), text


def _where(ratios: Collection[int], among: Collection[int]) -> str:
    return "" if len(ratios) == len(among) else f" {ratios_in_words(ratios, among)}"


def _runs(chosen: list[int], whole: list[int]) -> list[str]:
    """`1-4` for ratios that are neighbours among all that were asked."""
    runs: list[list[int]] = []
    for ratio in chosen:
        if runs and whole.index(ratio) == whole.index(runs[-1][-1]) + 1:
            runs[-1].append(ratio)
        else:
            runs.append([ratio])
    return [str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs]
