"""A comparison with a real GPU, for people."""

from __future__ import annotations

from collections.abc import Sequence

from llamaproof.profile.comparison import OUTPUT_NMSE_LIMIT, CardComparison
from llamaproof.profile.figures import Compared, FigureOutcome
from llamaproof.reports.blocks import Table, Toned
from llamaproof.reports.printer import Printer

_ROWS_SHOWN = 40


def print_comparison(found: CardComparison, printer: Printer) -> None:
    """The results by cell, the figures over all launches, and each figure that differs."""
    printer.table(_outputs(found))
    printer.table(_figures(found))
    differing = [
        (launch, figure)
        for launch in found.launches
        for figure in launch.figures
        if figure.outcome is FigureOutcome.DIFFERS
    ]
    for launch, figure in differing[:_ROWS_SHOWN]:
        measured = figure.measured if figure.measured is not None else float("nan")
        printer.line(
            f"{launch.cell}: {figure.figure.name}: emulated {figure.emulated:,.0f}, measured "
            f"{measured:,.0f} ({launch.kernel.partition('(const')[0]})",
            tone="bad",
        )
    if len(differing) > _ROWS_SHOWN:
        printer.line(f"and {len(differing) - _ROWS_SHOWN} more (--json has all)", tone="bad")
    for words in found.mismatches:
        printer.line(words, tone="bad")
    wrong = sum(not x.holds for x in found.outputs)
    printer.line(
        f"{len(found.outputs) - wrong} of {len(found.outputs)} results agree; "
        f"{len(found.launches)} launches compared, {len(differing)} figures differ"
    )
    printer.line(
        f"NMSE may be at most {OUTPUT_NMSE_LIMIT:.2g}: the square of f16's unit of rounding, since "
        "attention accumulates in f16, on each machine in an order of its own.",
        tone="dim",
    )


def _outputs(found: CardComparison) -> Table:
    figures = ("NMSE", "largest difference", "same bits")
    return Table(
        title=f"{found.target}: results of the emulated {found.gpu} against {found.device}",
        head=("heads", "K/V", "ratio", "tokens", "n_kv", *figures),
        rows=[
            (
                *map(str, (x.cell.heads, x.cell.types, x.cell.ratio, x.cell.n_tokens, x.cell.n_kv)),
                Toned(f"{x.nmse:.2g}", "good" if x.holds else "bad"),
                f"{x.largest:.2g}",
                f"{x.identical:.0%}",
            )
            for x in found.outputs
        ],
        figures=figures,
    )


def _figures(found: CardComparison) -> Table:
    by_figure: dict[str, list[Compared]] = {}
    for launch in found.launches:
        for compared in launch.figures:
            by_figure.setdefault(compared.figure.name, []).append(compared)
    figures = ("emulated", "measured", "least", "most")
    return Table(
        title="counts: the card's over the emulator's, over all launches",
        head=("figure", "rule", *figures, "launches"),
        rows=[
            (name, own[0].figure.rule.value, *_sums(own), _tally(own))
            for name, own in by_figure.items()
        ],
        figures=figures,
    )


def _sums(own: Sequence[Compared]) -> tuple[str, ...]:
    measured = [f for f in own if f.measured is not None]
    if not measured:
        return (f"{sum(f.emulated for f in own):,.0f}", "-", "-", "-")
    ratios = [f.ratio for f in measured if f.ratio is not None]
    return (
        f"{sum(f.emulated for f in measured):,.0f}",
        f"{sum(f.measured or 0 for f in measured):,.0f}",
        f"{min(ratios):.3f}" if ratios else "-",
        f"{max(ratios):.3f}" if ratios else "-",
    )


def _tally(own: Sequence[Compared]) -> Toned:
    """How many launches came to what, the worst of it giving the tone."""
    counted = {outcome: sum(f.outcome is outcome for f in own) for outcome in FigureOutcome}
    words = ", ".join(f"{number} {outcome.value}" for outcome, number in counted.items() if number)
    if counted[FigureOutcome.DIFFERS]:
        return Toned(words, "bad")
    return Toned(words, "mixed" if counted[FigureOutcome.NOT_MEASURED] else "")
