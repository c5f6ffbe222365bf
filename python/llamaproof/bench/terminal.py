"""A record and the gate's verdict, printed for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llamaproof.bench.gate import RuleVerdict
from llamaproof.bench.points import Point, Selection, select
from llamaproof.bench.record import Record
from llamaproof.bench.report import comparisons_of, tables_of
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.printer import Printer

_SHOWN = 6
# Kinds of cost that a terminal is spared.
_FOR_REPORTS = ("unique_global_bytes",)


def print_record(record: Record, printer: Printer) -> None:
    """Print the costs by context length, and what each comparison comes to."""
    for table in tables_of(record, without=_FOR_REPORTS):
        printer.line()
        printer.table(table)
    for title, _ in comparisons_of(record):
        printer.line()
        printer.line(title)


def print_verdicts(
    verdicts: Sequence[RuleVerdict], requested: Sequence[Point], printer: Printer
) -> None:
    """Print what each rule says, with its worst findings."""
    for line in verdict_lines(verdicts, requested):
        printer.line(line)


def verdict_lines(
    verdicts: Sequence[RuleVerdict], requested: Sequence[Point], *, most: int | None = _SHOWN
) -> Iterator[str]:
    """A line per rule, and below it what it failed on or could not check, the worst first.

    Args:
        most: findings shown of each rule; None for all, those that hold too.
    """
    whole = len(select(Selection()))
    within = sum(point in set(select(Selection())) for point in requested)
    yield f"judged on {within} of the {whole} cells of the whole grid"
    for verdict in verdicts:
        yield _rule_line(verdict)
        shown = [f for f in verdict.findings if most is None or f.outcome is not Outcome.HOLDS]
        shown.sort(key=lambda finding: (_ORDER.index(finding.outcome), -finding.value))
        for finding in shown[:most]:
            yield f"    {finding.outcome.value}: {finding.text}"
        if most is not None and len(shown) > most:
            yield f"    and {len(shown) - most} more"


# What is only noted is shown before what holds.
_ORDER = (Outcome.DEFECT, Outcome.NOT_CHECKED, Outcome.NOTED, Outcome.HOLDS)


def _rule_line(verdict: RuleVerdict) -> str:
    if not verdict.findings:
        return f"{_word(verdict.outcome)}  {verdict.rule.name}  no cells to judge it on"
    counts = ", ".join(
        f"{verdict.count(outcome)} {word}"
        for outcome, word in (
            (Outcome.HOLDS, "held"),
            (Outcome.DEFECT, "failed"),
            (Outcome.NOT_CHECKED, "could not be checked"),
            (Outcome.NOTED, "noted"),
        )
        if verdict.count(outcome)
    )
    return f"{_word(verdict.outcome)}  {verdict.rule.name}  {counts}"


def _word(outcome: Outcome) -> str:
    return {
        Outcome.HOLDS: "HOLDS      ",
        Outcome.DEFECT: "FAILS      ",
        Outcome.NOT_CHECKED: "NOT CHECKED",
        Outcome.NOTED: "NOT JUDGED ",
    }[outcome]
