"""Dispatch evidence for people, in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from llamaproof.attention.cell import Cell
from llamaproof.dispatch.agreement import Agreement, grouped
from llamaproof.dispatch.changes import Change
from llamaproof.dispatch.requirement import Requirement, Unmet
from llamaproof.dispatch.summary import (
    Quality,
    RowKey,
    Summary,
    group_changes,
    place,
    row_key,
    rows_of,
    summarise_by_depth,
)
from llamaproof.placement.outcome import CellOutcome
from llamaproof.placement.survey import ESTIMATES, DispatchEvidence, GpuReport

STYLES: dict[Quality, str] = {
    "good": "green",
    "mixed": "yellow",
    "cpu": "red",
    "abort": "bold red",
}

# Ubatch lengths that behave alike: a decode step, a few tokens at a time, a prompt.
TOKEN_GROUPS: tuple[tuple[str, tuple[int, int]], ...] = (
    ("1 token", (1, 1)),
    ("2-8 tokens", (2, 8)),
    ("9+ tokens", (9, 1 << 30)),
)

_NARROWEST = 120
_WIDTH_OF_ROW = 24
_WIDTH_OF_GPU = 14
_LONGEST_LIST = 40
_LONGEST_ROW_LIST = 12
_MOST_EXAMPLES = 3


def print_evidence(evidence: DispatchEvidence, console: Console) -> None:
    """One table for one GPU; for several, one column each."""
    _widen(console, _WIDTH_OF_ROW + _WIDTH_OF_GPU * len(evidence.reports))
    console.print(_headline(evidence), highlight=False)
    if len(evidence.reports) == 1:
        console.print(_gpu_table(evidence, evidence.reports[0]))
        console.print(
            "[dim]mma, wmma: tensor cores · tile, vec: without them · %4: ratios divisible by 4 · "
            "CPU: supports_op says no\n(42%): the least share of query columns that do real work, "
            "where columns are idle[/dim]",
            highlight=False,
        )
    else:
        console.print(_all_gpus_table(evidence))
    if evidence.estimated_gpus:
        cards = escape(", ".join(evidence.estimated_gpus))
        console.print(f"[yellow]{cards}[/yellow]: the target {ESTIMATES}", highlight=False)


def print_aborts(evidence: DispatchEvidence, console: Console) -> None:
    """What was printed by cells that the backend accepted and did not survive, each once."""
    found: dict[str, dict[str, list[Cell]]] = {}
    for report in evidence.reports:
        for cell, outcome in report.outcomes.items():
            if outcome.kind == "abort":
                found.setdefault(outcome.message, {}).setdefault(report.gpu, []).append(cell)
    for message, by_gpu in found.items():
        console.print(f"[bold red]aborts[/bold red]: {escape(message)}", highlight=False)
        for gpu, cells in by_gpu.items():
            console.print(f"  {escape(f'{gpu}: {_cells_in_words(cells)}')}", highlight=False)


def print_requirements(
    requirements: Sequence[Requirement], failures: Sequence[Unmet], console: Console
) -> None:
    """Each requirement, and where it does not hold."""
    for requirement in requirements:
        failed = [u for u in failures if u.requirement == requirement]
        if not failed:
            console.print(f"[bold green]holds[/bold green] {requirement.text}", highlight=False)
            continue
        console.print(f"[bold red]does not hold[/bold red] {requirement.text}", highlight=False)
        for line in _failures_in_words(failed):
            console.print(f"  {escape(line)}", highlight=False)


def print_agreement(agreement: Agreement, console: Console) -> None:
    """Whether the real GPU does what its shadow does, and every kind of difference by name."""
    _widen(console, _NARROWEST)
    n_different = len(agreement.disagreements)
    if not n_different:
        console.print(
            f"[bold green]agrees[/bold green]: the {agreement.gpu} does what its shadow does in "
            f"all {agreement.n_cells} cells",
            highlight=False,
        )
        return
    console.print(
        f"[bold red]disagrees[/bold red]: the {agreement.gpu} does other than its shadow in "
        f"{n_different} of {agreement.n_cells} cells",
        highlight=False,
    )
    for what, members in grouped(agreement.disagreements):
        cells = _cells_in_words([one.cell for one in members])
        console.print(f"  [bold]{', '.join(what)}[/bold]: {escape(cells)}", highlight=False)
        for one in members[:_MOST_EXAMPLES]:
            console.print(f"    {escape(str(one.cell))}", highlight=False)
            for line in one.lines():
                console.print(f"      {escape(line)}", highlight=False)


def print_changes(
    before: DispatchEvidence,
    after: DispatchEvidence,
    changes: Sequence[Change],
    console: Console,
) -> None:
    """What got better, worse or different from `before` to `after`."""
    _widen(console, _NARROWEST)
    counts = {v: sum(c.verdict == v for c in changes) for v in ("better", "worse", "different")}
    console.print(
        f"[bold]{escape(before.target)}[/bold] -> [bold]{escape(after.target)}[/bold]: "
        + ", ".join(f"{number} cells {verdict}" for verdict, number in counts.items()),
        highlight=False,
    )
    if not changes:
        return
    styles = {"better": "green", "worse": "bold red", "different": "yellow", "same": ""}
    table = Table()
    for column in ("", "GPU", "head sizes, K/V", "ratios", "tokens", "before", "after", "cells"):
        table.add_column(column, overflow="fold")
    for group in group_changes(changes, after.cells):
        table.add_row(
            Text(group.verdict, style=styles[group.verdict]),
            group.gpu,
            str(group.row),
            group.ratios,
            ",".join(map(str, group.n_tokens)),
            group.before,
            group.after,
            str(group.count),
        )
    console.print(table)


def split_by_tokens(
    outcomes: Iterable[tuple[Cell, CellOutcome]],
) -> list[dict[Cell, CellOutcome]]:
    """The outcomes of one row, by `TOKEN_GROUPS`."""
    groups: list[dict[Cell, CellOutcome]] = [{} for _ in TOKEN_GROUPS]
    for cell, outcome in outcomes:
        for group, (_, (low, high)) in zip(groups, TOKEN_GROUPS, strict=True):
            if low <= cell.n_tokens <= high:
                group[cell] = outcome
    return groups


def by_row(report: GpuReport) -> dict[RowKey, dict[Cell, CellOutcome]]:
    """A GPU's outcomes by row of the table."""
    found: dict[RowKey, dict[Cell, CellOutcome]] = {}
    for cell, outcome in report.outcomes.items():
        found.setdefault(row_key(cell), {})[cell] = outcome
    return found


def summary_text(summary: Summary) -> str:
    """A summary, with the least share of real columns where columns are idle."""
    if summary.real_share is None or summary.real_share[0] >= 1.0:
        return summary.text
    return f"{summary.text} ({summary.real_share[0]:.0%})"


def _gpu_table(evidence: DispatchEvidence, report: GpuReport) -> Table:
    table = Table(title=f"{report.gpu} (sm_{report.sm})", title_justify="left")
    table.add_column("head sizes, K/V", no_wrap=True)
    for label, _ in TOKEN_GROUPS:
        table.add_column(label, overflow="fold")
    outcomes = by_row(report)
    for row in rows_of(evidence.cells):
        cells: list[Text] = []
        for group in split_by_tokens(outcomes[row].items()):
            cells.append(_styled(summarise_by_depth(group)) if group else Text("-"))
        table.add_row(str(row), *cells)
    return table


def _all_gpus_table(evidence: DispatchEvidence) -> Table:
    table = Table(title="Where attention runs, all ratios and tokens", title_justify="left")
    table.add_column("head sizes, K/V", no_wrap=True)
    for report in evidence.reports:
        table.add_column(f"{report.gpu}\nsm_{report.sm}", overflow="fold")
    outcomes = [by_row(report) for report in evidence.reports]
    for row in rows_of(evidence.cells):
        summaries = [summarise_by_depth(by[row], say=place) for by in outcomes]
        table.add_row(str(row), *(Text(s.text, style=STYLES[s.quality]) for s in summaries))
    return table


def _styled(summary: Summary) -> Text:
    return Text(summary_text(summary), style=STYLES[summary.quality])


def _headline(evidence: DispatchEvidence) -> str:
    version = f" {evidence.version}" if evidence.version else ""
    return (
        f"[bold]{escape(evidence.target)}[/bold]{escape(version)}: CUDA {evidence.cuda}, "
        f"{len(evidence.cells)} cells on {len(evidence.reports)} GPU"
        + ("s" if len(evidence.reports) > 1 else "")
    )


def _cells_in_words(cells: Sequence[Cell]) -> str:
    if len(cells) == 1:
        return str(cells[0])
    words = [str(row) for row in rows_of(cells)]
    shown = ", ".join(words[:_LONGEST_ROW_LIST])
    more = f" and {len(words) - _LONGEST_ROW_LIST} more" if len(words) > _LONGEST_ROW_LIST else ""
    return f"{len(cells)} cells of {shown}{more}"


def _failures_in_words(failures: Sequence[Unmet]) -> list[str]:
    """One line for each GPU and outcome."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for failure in failures:
        groups.setdefault((failure.gpu, failure.outcome.text), []).append(failure.cell)
    lines = []
    for (gpu, outcome), cells in groups.items():
        ratios = sorted({cell.ratio for cell in cells})
        tokens = ",".join(map(str, sorted({cell.n_tokens for cell in cells})))
        shown = ",".join(map(str, ratios[:_LONGEST_LIST]))
        more = f" and {len(ratios) - _LONGEST_LIST} more" if len(ratios) > _LONGEST_LIST else ""
        lines.append(f"{gpu}: ratio {shown}{more}, {tokens} tokens: {outcome}")
    return lines


def _widen(console: Console, width: int) -> None:
    """Not a terminal, not a width: a log may have long lines."""
    if not console.is_terminal:
        console.width = max(console.width, width, _NARROWEST)
