"""What a survey shows, for people, in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from llamaproof.attention.cell import Cell
from llamaproof.dispatch.agreement import Agreement, grouped
from llamaproof.dispatch.changes import Change
from llamaproof.dispatch.proof import DispatchProof
from llamaproof.dispatch.requirement import Requirement, Unmet
from llamaproof.dispatch.summary import rows_of
from llamaproof.dispatch.tables import all_gpus_table, changes_table, gpu_table
from llamaproof.placement.survey import ESTIMATES, Survey
from llamaproof.reports.blocks import Toned
from llamaproof.reports.printer import Printer

_LONGEST_LIST = 40
_LONGEST_ROW_LIST = 12
_MOST_EXAMPLES = 3


def print_proof(proof: DispatchProof, printer: Printer) -> None:
    """Print the survey, and what was asked of it."""
    print_survey(proof.survey, printer)
    print_aborts(proof.survey, printer)
    if proof.against is not None:
        print_changes(proof.against, proof.survey, proof.changes, printer)
    print_requirements(proof.requirements, proof.failures, printer)


def print_survey(survey: Survey, printer: Printer) -> None:
    """One table for one GPU; for several, one column each."""
    printer.line(*_headline(survey))
    if len(survey.reports) == 1:
        printer.table(gpu_table(survey, survey.reports[0]))
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
        printer.table(all_gpus_table(survey))
    if survey.estimated_gpus:
        printer.line(Toned(", ".join(survey.estimated_gpus), "mixed"), f": the target {ESTIMATES}")


def print_aborts(survey: Survey, printer: Printer) -> None:
    """What was printed by cells that the backend accepted and did not survive, each once."""
    found: dict[str, dict[str, list[Cell]]] = {}
    for report in survey.reports:
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
    before: Survey,
    after: Survey,
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
        printer.table(changes_table(changes, after))


def _headline(survey: Survey) -> tuple[str | Toned, ...]:
    version = f" {survey.version}" if survey.version else ""
    several = "s" if len(survey.reports) > 1 else ""
    return (
        Toned(survey.target, "strong"),
        f"{version}: CUDA {survey.cuda}, {len(survey.cells)} cells on "
        f"{len(survey.reports)} GPU{several}",
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
