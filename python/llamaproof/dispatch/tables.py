"""What a survey shows as tables, the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from llamaproof.attention.cell import PLAIN, Cell, HeadSizes
from llamaproof.attention.grid import SHALLOW
from llamaproof.dispatch.changes import Change, ChangeVerdict
from llamaproof.dispatch.summary import (
    Quality,
    RowKey,
    Summary,
    group_changes,
    place,
    ratios_in_words,
    row_key,
    rows_of,
    summarise_by_depth,
    word,
)
from llamaproof.ggml import GgmlType
from llamaproof.placement.outcome import ORDER, CellOutcome, Kind
from llamaproof.placement.survey import GpuSurvey, Survey
from llamaproof.reports.blocks import Table, Tone, Toned
from llamaproof.reports.grouping import grouped

QUALITY_TONES: dict[Quality, Tone] = {
    "good": "good",
    "mixed": "mixed",
    "cpu": "bad",
    "abort": "worst",
}
_CHANGE_TONES: dict[ChangeVerdict, Tone] = {
    "better": "good",
    "worse": "worst",
    "different": "mixed",
    "same": "",
}
_KIND_TONES: dict[Kind, Tone] = {"kernel": "good", "cpu": "bad", "abort": "worst"}

# Ubatch lengths that behave alike: a decode step, a few tokens at a time, a prompt.
_TOKEN_GROUPS: tuple[tuple[str, tuple[int, int]], ...] = (
    ("1 token", (1, 1)),
    ("2-8 tokens", (2, 8)),
    ("9+ tokens", (9, 1 << 30)),
)
# The two lengths of ubatch that are shown ratio by ratio: a decode step and a prompt.
_N_TOKENS_BY_RATIO = (1, 512)


def by_row(report: GpuSurvey) -> Mapping[RowKey, Mapping[Cell, CellOutcome]]:
    """A GPU's outcomes by row of a table."""
    pairs = grouped((row_key(cell), (cell, outcome)) for cell, outcome in report.outcomes.items())
    return {row: dict(members) for row, members in pairs.items()}


def gpu_table(survey: Survey, report: GpuSurvey) -> Table:
    """Which kernels one GPU runs: a row for head sizes and types, a column for ubatch lengths."""
    outcomes = by_row(report)
    return Table(
        title=f"{report.gpu} (sm_{report.sm})",
        head=("head sizes, K/V", *(label for label, _ in _TOKEN_GROUPS)),
        rows=[
            (str(row), *(_kernels(group) for group in _by_tokens(outcomes[row])))
            for row in rows_of(survey.cells)
        ],
    )


def all_gpus_table(survey: Survey) -> Table:
    """Where attention runs: a row for head sizes and types, a column for each GPU."""
    outcomes = [by_row(report) for report in survey.reports]
    rows: list[tuple[str | Toned, ...]] = []
    for row in rows_of(survey.cells):
        summaries = (summarise_by_depth(by[row], say=place) for by in outcomes)
        rows.append((str(row), *(Toned(s.text, QUALITY_TONES[s.quality]) for s in summaries)))
    return Table(
        title="Where attention runs, all ratios and tokens",
        head=("head sizes, K/V", *(f"{r.gpu} sm_{r.sm}" for r in survey.reports)),
        rows=rows,
    )


def ratio_tables(survey: Survey) -> Iterator[Table]:
    """For each head sizes, with f16 K and V: the kernel by GQA ratio, GPU and ubatch length.

    Ratios that meet with the same kernels on all GPUs share a row.
    """
    for heads in sorted({cell.heads for cell in survey.cells}, key=lambda h: (-h.k, -h.v)):
        by_ratio = {
            ratio: [
                [report.outcomes[cell] for cell in cells if cell.n_tokens == n_tokens]
                for report in survey.reports
                for n_tokens in _N_TOKENS_BY_RATIO
            ]
            for ratio, cells in grouped(
                (cell.ratio, cell) for cell in survey.cells if _is_shown_by_ratio(cell, heads)
            ).items()
        }
        if by_ratio:
            yield _ratio_table(survey, heads, by_ratio)


def changes_table(changes: Sequence[Change], survey: Survey) -> Table:
    """A row for each group of cells that changed alike, on all the cards on which they did.

    Args:
        survey: of the target that changed.
    """
    groups = grouped(
        ((g.verdict, str(g.row), g.ratios, g.n_tokens, g.before, g.after), g)
        for g in group_changes(changes, survey.cells)
    )
    return Table(
        head=("change", "head sizes, K/V", "ratios", "tokens", "before", "after", "cells", "cards"),
        rows=[
            (
                Toned(verdict, _CHANGE_TONES[verdict]),
                row,
                ratios,
                ",".join(map(str, n_tokens)),
                before,
                after,
                str(sum(g.count for g in members)),
                in_words([g.gpu for g in members], survey),
            )
            for (verdict, row, ratios, n_tokens, before, after), members in groups.items()
        ],
        figures=("cells",),
    )


def in_words(cards: Sequence[str], survey: Survey) -> str:
    """Some of the cards that were examined, by name; `every card` where those are several."""
    if len(cards) > 1 and set(cards) == set(survey.outcomes):
        return "every card"
    return ", ".join(cards)


def _by_tokens(outcomes: Mapping[Cell, CellOutcome]) -> Iterator[Mapping[Cell, CellOutcome]]:
    """The outcomes of one row for each of `_TOKEN_GROUPS`."""
    for _, (low, high) in _TOKEN_GROUPS:
        yield {cell: o for cell, o in outcomes.items() if low <= cell.n_tokens <= high}


def _kernels(outcomes: Mapping[Cell, CellOutcome]) -> str | Toned:
    if not outcomes:
        return "-"
    summary = summarise_by_depth(outcomes)
    return Toned(_with_real_share(summary), QUALITY_TONES[summary.quality])


def _with_real_share(summary: Summary) -> str:
    """A summary, with the least share of real columns where columns are idle."""
    if summary.real_share is None or summary.real_share[0] >= 1.0:
        return summary.text
    return f"{summary.text} ({summary.real_share[0]:.0%})"


def _is_shown_by_ratio(cell: Cell, heads: HeadSizes) -> bool:
    return (
        cell.heads == heads
        and cell.extras == PLAIN
        and cell.type_k == cell.type_v == GgmlType.F16
        and cell.n_kv == SHALLOW
        and cell.n_streams == 1
        and not cell.layout
    )


def _ratio_table(
    survey: Survey, heads: HeadSizes, by_ratio: Mapping[int, list[list[CellOutcome]]]
) -> Table:
    groups = grouped(
        (tuple(frozenset(map(_kernel, met)) for met in columns), ratio)
        for ratio, columns in sorted(by_ratio.items())
    )
    head = (
        f"{report.gpu}, {n_tokens} token{'s' if n_tokens > 1 else ''}"
        for report in survey.reports
        for n_tokens in _N_TOKENS_BY_RATIO
    )
    return Table(
        title=f"{heads}, f16",
        head=("GQA ratio", *head),
        rows=[
            (
                ratios_in_words(ratios, by_ratio, most_runs=len(ratios)),
                *(
                    _kernel_and_share([o for ratio in ratios for o in by_ratio[ratio][column]])
                    for column in range(len(survey.reports) * len(_N_TOKENS_BY_RATIO))
                ),
            )
            for ratios in groups.values()
        ],
    )


def _kernel(outcome: CellOutcome) -> str:
    return outcome.use.kernel.short if outcome.use is not None else word(outcome)


def _kernel_and_share(outcomes: Sequence[CellOutcome]) -> str | Toned:
    """`mma 4x16 (25-100%)`: the kernel's tile, tokens by heads, and how much of it is in use."""
    if not outcomes:
        return "-"
    text = ", ".join(sorted(set(map(_kernel, outcomes))))
    shares = [o.use.real_share for o in outcomes if o.use is not None and o.use.columns]
    if shares and min(shares) < 1:
        text += f" ({_percent(shares)})"
    kinds = {outcome.kind for outcome in outcomes}
    return Toned(text, _KIND_TONES[next(kind for kind in ORDER if kind in kinds)])


def _percent(shares: Iterable[float]) -> str:
    ends = sorted({f"{share:.0%}" for share in shares}, key=lambda text: int(text[:-1]))
    return ends[0] if len(ends) == 1 else f"{ends[0][:-1]}-{ends[-1]}"
