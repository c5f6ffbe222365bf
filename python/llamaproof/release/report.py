"""What a release came to: for people in lines, and as a versioned document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llamaproof.release.refusal import Refusal
from llamaproof.reports.blocks import Table
from llamaproof.reports.document import Schema
from llamaproof.reports.outcome import Outcome, worst
from llamaproof.reports.printer import Printer

SCHEMA = Schema(name="llamaproof.release", version=1)


@dataclass(frozen=True, kw_only=True)
class ListedWheel:
    """A wheel of the index, and what became of it: `new`, `as it was` or `yanked`."""

    name: str
    sha256: str
    variant: str
    state: str

    def json(self) -> dict[str, str]:
        return {
            "name": self.name,
            "sha256": self.sha256,
            "variant": self.variant,
            "state": self.state,
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a release came to.

    Attributes:
        policy: the name of its file.
        index: where the index is.
        dry_run: whether it was only said what would happen.
        changed: whether the index is another than before; of a dry run, whether it would be.
        wheels: that it serves; of a dry run, that it would serve.
        refusals: why it was refused; empty where it was not.
    """

    policy: str
    index: str
    dry_run: bool
    changed: bool
    wheels: tuple[ListedWheel, ...]
    refusals: tuple[Refusal, ...]

    @property
    def outcome(self) -> Outcome:
        if self.refusals:
            return worst(refusal.outcome for refusal in self.refusals)
        return Outcome.HOLDS

    def json(self) -> dict[str, Any]:
        """The versioned document."""
        return SCHEMA.document(
            policy=self.policy,
            index=self.index,
            outcome=self.outcome.value,
            dry_run=self.dry_run,
            changed=self.changed,
            wheels=[wheel.json() for wheel in self.wheels],
            refusals=[refusal.json() for refusal in self.refusals],
        )


def print_report(report: Report, printer: Printer) -> None:
    """Print what came of it: the reasons of a refusal, or what the index serves."""
    if report.refusals:
        printer.heading("refused")
        for about, refusals in _by_what_they_are_about(report.refusals):
            printer.line(about, tone="strong")
            for refusal in refusals:
                printer.line(f"  {refusal.what} [{refusal.code}]", tone="bad")
            for hint in dict.fromkeys(refusal.hint for refusal in refusals if refusal.hint):
                printer.line(f"  next:  {hint}")
        number = len(report.refusals)
        reasons = "reason" if number == 1 else "reasons"
        printer.line(f"{number} {reasons}; nothing was changed in {report.index}", tone="worst")
        return
    rows = [(wheel.variant, wheel.name, wheel.state) for wheel in report.wheels]
    printer.heading("the index")
    printer.table(Table(head=("variant", "wheel", ""), rows=sorted(rows)))
    printer.line(_said(report), tone="good")


def _said(report: Report) -> str:
    if not report.changed:
        return f"nothing is new: {report.index} is as it was"
    if report.dry_run:
        return f"nothing was written; it would be published in {report.index}"
    return f"published in {report.index}, and checked as its clients see it"


def _by_what_they_are_about(
    refusals: Sequence[Refusal],
) -> Iterator[tuple[str, list[Refusal]]]:
    found: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        found.setdefault(refusal.about, []).append(refusal)
    yield from found.items()
