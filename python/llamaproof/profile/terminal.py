"""A comparison with a real GPU, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from llamaproof.profile.comparison import OUTPUT_NMSE_LIMIT, CardComparison
from llamaproof.profile.figures import Compared, FigureOutcome

_STYLES = {
    FigureOutcome.SAME: "green",
    FigureOutcome.WITHIN: "green",
    FigureOutcome.DIFFERS: "red",
    FigureOutcome.SHOWN: "dim",
    FigureOutcome.NOT_MEASURED: "yellow",
}
_ROWS_SHOWN = 40


def print_comparison(found: CardComparison, console: Console) -> None:
    """The results by cell, the figures over all launches, and each figure that differs."""
    console.print(_outputs(found))
    console.print(_figures(found))
    differing = [
        (launch, figure)
        for launch in found.launches
        for figure in launch.figures
        if figure.outcome is FigureOutcome.DIFFERS
    ]
    for launch, figure in differing[:_ROWS_SHOWN]:
        measured = figure.measured if figure.measured is not None else float("nan")
        console.print(
            f"{launch.cell}: {figure.figure.name}: emulated {figure.emulated:,.0f}, measured "
            f"{measured:,.0f} ({launch.kernel.partition('(const')[0]})",
            style="red",
            markup=False,
            highlight=False,
        )
    if len(differing) > _ROWS_SHOWN:
        console.print(f"and {len(differing) - _ROWS_SHOWN} more (--json has all)", style="red")
    for words in found.mismatches:
        console.print(words, style="red", markup=False, highlight=False)
    wrong = sum(not x.holds for x in found.outputs)
    console.print(
        f"{len(found.outputs) - wrong} of {len(found.outputs)} results agree; "
        f"{len(found.launches)} launches compared, {len(differing)} figures differ"
    )
    console.print(
        f"NMSE may be at most {OUTPUT_NMSE_LIMIT:.2g}: the square of f16's unit of rounding, since "
        "attention accumulates in f16, on each machine in an order of its own.",
        style="dim",
    )


def _outputs(found: CardComparison) -> Table:
    title = f"{found.target}: results of the emulated {found.gpu} against {found.device}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for name in ("heads", "K/V", "ratio", "tokens", "n_kv"):
        table.add_column(name, no_wrap=True)
    for name in ("NMSE", "largest difference", "same bits"):
        table.add_column(name, justify="right", no_wrap=True)
    for x in found.outputs:
        style = "green" if x.holds else "red"
        shape = (x.cell.heads, x.cell.types, x.cell.ratio, x.cell.n_tokens, x.cell.n_kv)
        numbers = (f"[{style}]{x.nmse:.2g}[/]", f"{x.largest:.2g}", f"{x.identical:.0%}")
        table.add_row(*map(str, shape), *numbers)
    return table


def _figures(found: CardComparison) -> Table:
    table = Table(
        title="counts: the card's over the emulator's, over all launches",
        title_justify="left",
        box=box.SIMPLE,
    )
    table.add_column("figure", no_wrap=True)
    table.add_column("rule", no_wrap=True)
    for name in ("emulated", "measured", "least", "most"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("launches", no_wrap=True)
    by_figure: dict[str, list[Compared]] = {}
    for launch in found.launches:
        for compared in launch.figures:
            by_figure.setdefault(compared.figure.name, []).append(compared)
    for name, own in by_figure.items():
        table.add_row(name, own[0].figure.rule.value, *_sums(own), _tally(own))
    return table


def _sums(own: Sequence[Compared]) -> Iterable[str]:
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


def _tally(own: Sequence[Compared]) -> str:
    counted = {outcome: sum(f.outcome is outcome for f in own) for outcome in FigureOutcome}
    return ", ".join(
        f"[{_STYLES[outcome]}]{number} {outcome.value}[/]"
        for outcome, number in counted.items()
        if number
    )
