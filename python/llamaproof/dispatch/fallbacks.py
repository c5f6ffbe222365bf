"""The head sizes and K/V types whose attention is not all on the GPU, in few rows."""

from __future__ import annotations

from collections.abc import Iterator

from llamaproof.attention.cell import PLAIN, HeadSizes
from llamaproof.dispatch.summary import (
    Quality,
    RowKey,
    place,
    rows_of,
    summarise_by_depth,
)
from llamaproof.dispatch.tables import QUALITY_TONES, by_row, in_words
from llamaproof.ggml import GgmlType
from llamaproof.placement.survey import Survey
from llamaproof.reports.blocks import Table, Toned
from llamaproof.reports.grouping import grouped

_Said = tuple[str, Quality]
_EVERY = "every type examined"


def fallbacks_table(survey: Survey) -> Table:
    """A row for head sizes and types of which the same is said on the same cards."""
    examined = grouped(((row.heads, row.extras), row.types) for row in rows_of(survey.cells))
    by_types = grouped(
        ((row.heads, row.extras, said, cards), row.types)
        for row, said, cards in _falling_back(survey)
    )
    by_heads = grouped(
        ((_types(types, examined[heads, extras]), extras, said, cards), heads)
        for (heads, extras, said, cards), types in by_types.items()
    )
    return Table(
        head=("head sizes", "K/V types", "with", "attention", "cards"),
        rows=[
            (
                ", ".join(map(str, sorted(heads))),
                types,
                str(extras) or "a mask",
                Toned(text, QUALITY_TONES[quality]),
                in_words(cards, survey),
            )
            for (types, extras, (text, quality), cards), heads in sorted(
                by_heads.items(), key=lambda group: (group[0][1] != PLAIN, group[0][0] != _EVERY)
            )
        ],
    )


def head_sizes_falling_back(survey: Survey) -> tuple[HeadSizes, ...]:
    """Those that are not all on the GPU of every card with f16 K and V and nothing but a mask."""
    rows = (row for row, _, _ in _falling_back(survey))
    f16 = GgmlType.F16.label
    return tuple(sorted({row.heads for row in rows if row.types == f16 and row.extras == PLAIN}))


def _falling_back(
    survey: Survey,
) -> Iterator[tuple[RowKey, _Said, tuple[str, ...]]]:
    """Each row that is not all on the GPU, what is said of it, and on which cards."""
    outcomes = {report.gpu: by_row(report) for report in survey.reports}
    for row in rows_of(survey.cells):
        summaries = {gpu: summarise_by_depth(by[row], say=place) for gpu, by in outcomes.items()}
        said = grouped(
            ((s.text, s.quality), gpu) for gpu, s in summaries.items() if s.quality != "good"
        )
        for what, cards in said.items():
            yield row, what, cards


def _types(types: tuple[str, ...], examined: tuple[str, ...]) -> str:
    return _EVERY if types == examined else ", ".join(types)
