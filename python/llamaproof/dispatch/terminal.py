"""Dispatch evidence for people, in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llamaproof.attention.cell import Cell
from llamaproof.dispatch.agreement import Agreement, grouped
from llamaproof.dispatch.changes import Change, Verdict
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
from llamaproof.reports.blocks import Table, Tone, Toned
from llamaproof.reports.printer import Printer

_QUALITY_TONES: dict[Quality, Tone] = {
    "good": "good",
    "mixed": "mixed",
    "cpu": "bad",
    "abort": "worst",
}
_CHANGE_TONES: dict[Verdict, Tone] = {
    "better": "good",
    "worse": "worst",
    "different": "mixed",
    "same": "",
}

# Ubatch lengths that behave alike: a decode step, a few tokens at a time, a prompt.
TOKEN_GROUPS: tuple[tuple[str, tuple[int, int]], ...] = (
    ("1 token", (1, 1)),
    ("2-8 tokens", (2, 8)),
    ("9+ tokens", (9, 1 << 30)),
)

_LONGEST_LIST = 40
_LONGEST_ROW_LIST = 12
_MOST_EXAMPLES = 3


def print_evidence(evidence: DispatchEvidence, printer: Printer) -> None:
    """One table for one GPU; for several, one column each."""
    printer.line(*_headline(evidence))
    if len(evidence.reports) == 1:
        printer.table(gpu_table(evidence, evidence.reports[0]))
        printer.line(
            "mma, wmma: tensor cores · tile, vec: without them · %4: ratios divisible by 4 · CPU: "
            "supports_op says no",
            tone="dim",
        )
        printer.line(
            "(42%): the least share of query columns that do real work, where columns are idle",
            tone="dim",
        )
    else:
        printer.table(_all_gpus_table(evidence))
    if evidence.estimated_gpus:
        printer.line(
            Toned(", ".join(evidence.estimated_gpus), "mixed"), f": the target {ESTIMATES}"
        )


def print_aborts(evidence: DispatchEvidence, printer: Printer) -> None:
    """What was printed by cells that the backend accepted and did not survive, each once."""
    found: dict[str, dict[str, list[Cell]]] = {}
    for report in evidence.reports:
        for cell, outcome in report.outcomes.items():
            if outcome.kind == "abort":
                found.setdefault(outcome.message, {}).setdefault(report.gpu, []).append(cell)
    for message, by_gpu in found.items():
        printer.line(Toned("aborts", "worst"), f": {message}")
        for gpu, cells in by_gpu.items():
            printer.line(f"  {gpu}: {_cells_in_words(cells)}")


def print_requirements(
    requirements: Sequence[Requirement], failures: Sequence[Unmet], printer: Printer
) -> None:
    """Each requirement, and where it does not hold."""
    for requirement in requirements:
        failed = [u for u in failures if u.requirement == requirement]
        if not failed:
            printer.line(Toned("holds", "good"), f" {requirement.text}")
            continue
        printer.line(Toned("does not hold", "worst"), f" {requirement.text}")
        for line in _failures_in_words(failed):
            printer.line(f"  {line}")


def print_agreement(agreement: Agreement, printer: Printer) -> None:
    """Whether the real GPU does what its shadow does, and every kind of difference by name."""
    n_different = len(agreement.disagreements)
    if not n_different:
        printer.line(
            Toned("agrees", "good"),
            f": the {agreement.gpu} does what its shadow does in all {agreement.n_cells} cells",
        )
        return
    printer.line(
        Toned("disagrees", "worst"),
        f": the {agreement.gpu} does other than its shadow in {n_different} of "
        f"{agreement.n_cells} cells",
    )
    for what, members in grouped(agreement.disagreements):
        cells = _cells_in_words([one.cell for one in members])
        printer.line("  ", Toned(", ".join(what), "strong"), f": {cells}")
        for one in members[:_MOST_EXAMPLES]:
            printer.line(f"    {one.cell}")
            for line in one.lines():
                printer.line(f"      {line}")


def print_changes(
    before: DispatchEvidence,
    after: DispatchEvidence,
    changes: Sequence[Change],
    printer: Printer,
) -> None:
    """What got better, worse or different from `before` to `after`."""
    counts = {v: sum(c.verdict == v for c in changes) for v in ("better", "worse", "different")}
    printer.line(
        Toned(before.target, "strong"),
        " -> ",
        Toned(after.target, "strong"),
        ": " + ", ".join(f"{number} cells {verdict}" for verdict, number in counts.items()),
    )
    if changes:
        printer.table(changes_table(changes, after.cells))


def changes_table(changes: Sequence[Change], cells: Sequence[Cell]) -> Table:
    """A row for each group of cells of a GPU that changed alike.

    Args:
        cells: all that were compared.
    """
    return Table(
        head=("change", "GPU", "head sizes, K/V", "ratios", "tokens", "before", "after", "cells"),
        rows=[
            (
                Toned(group.verdict, _CHANGE_TONES[group.verdict]),
                group.gpu,
                str(group.row),
                group.ratios,
                ",".join(map(str, group.n_tokens)),
                group.before,
                group.after,
                str(group.count),
            )
            for group in group_changes(changes, cells)
        ],
        figures=("cells",),
    )


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


def gpu_table(evidence: DispatchEvidence, report: GpuReport) -> Table:
    """Which kernels one GPU runs: a row for each head sizes and type, a column for each length."""
    outcomes = by_row(report)
    rows: list[tuple[str | Toned, ...]] = []
    for row in rows_of(evidence.cells):
        groups = split_by_tokens(outcomes[row].items())
        cells = (_toned(summarise_by_depth(group)) if group else "-" for group in groups)
        rows.append((str(row), *cells))
    return Table(
        title=f"{report.gpu} (sm_{report.sm})",
        head=("head sizes, K/V", *(label for label, _ in TOKEN_GROUPS)),
        rows=rows,
    )


def _all_gpus_table(evidence: DispatchEvidence) -> Table:
    outcomes = [by_row(report) for report in evidence.reports]
    rows: list[tuple[str | Toned, ...]] = []
    for row in rows_of(evidence.cells):
        summaries = (summarise_by_depth(by[row], say=place) for by in outcomes)
        rows.append((str(row), *(Toned(s.text, _QUALITY_TONES[s.quality]) for s in summaries)))
    return Table(
        title="Where attention runs, all ratios and tokens",
        head=("head sizes, K/V", *(f"{r.gpu} sm_{r.sm}" for r in evidence.reports)),
        rows=rows,
    )


def _toned(summary: Summary) -> Toned:
    return Toned(summary_text(summary), _QUALITY_TONES[summary.quality])


def _headline(evidence: DispatchEvidence) -> tuple[str | Toned, ...]:
    version = f" {evidence.version}" if evidence.version else ""
    several = "s" if len(evidence.reports) > 1 else ""
    return (
        Toned(evidence.target, "strong"),
        f"{version}: CUDA {evidence.cuda}, {len(evidence.cells)} cells on "
        f"{len(evidence.reports)} GPU{several}",
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
