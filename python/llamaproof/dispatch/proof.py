"""What dispatch evidence proves: requirements hold, and no cell is worse than another target's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llamaproof.dispatch import html, requirement, terminal
from llamaproof.dispatch.changes import Change, changes
from llamaproof.dispatch.requirement import Requirement, Unmet
from llamaproof.placement.survey import DispatchEvidence, changes_json, requirements_json
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.printer import Printer


@dataclass(frozen=True, kw_only=True)
class DispatchProof:
    """Where attention runs, and what was asked of it.

    Attributes:
        against: the target compared with; None when there was none.
        changes: cells that differ from it.
    """

    evidence: DispatchEvidence
    requirements: tuple[Requirement, ...]
    failures: tuple[Unmet, ...]
    against: DispatchEvidence | None
    changes: tuple[Change, ...]

    @property
    def worse(self) -> int:
        """Cells that are worse than in the target compared with."""
        return sum(change.verdict == "worse" for change in self.changes)

    @property
    def outcome(self) -> Outcome:
        return Outcome.DEFECT if self.failures or self.worse else Outcome.HOLDS

    def json(self) -> dict[str, Any]:
        """The versioned document of the evidence, with what was asked of it."""
        document = self.evidence.json()
        document["requirements"] = requirements_json(self.requirements, self.failures)
        if self.against is not None:
            document["comparison"] = changes_json(self.against, self.changes)
        return document

    def html(self) -> str:
        """A page that needs nothing else."""
        return html.render(self.evidence, **self._asked())

    def html_fragment(self) -> str:
        """The same as part of a page that has `html.STYLE`."""
        return html.fragment(self.evidence, **self._asked())

    def show(self, printer: Printer) -> None:
        """Print it."""
        terminal.print_evidence(self.evidence, printer)
        terminal.print_aborts(self.evidence, printer)
        if self.against is not None:
            terminal.print_changes(self.against, self.evidence, self.changes, printer)
        terminal.print_requirements(self.requirements, self.failures, printer)

    def _asked(self) -> dict[str, Any]:
        comparison = (
            html.Comparison(against=self.against, changes=self.changes)
            if self.against is not None
            else None
        )
        return {
            "requirements": self.requirements,
            "failures": self.failures,
            "comparison": comparison,
        }


def assemble(
    evidence: DispatchEvidence,
    requirements: Sequence[Requirement],
    against: DispatchEvidence | None,
) -> DispatchProof:
    """Judge the evidence of a target.

    Raises:
        BadInput: a required cell was not examined.
    """
    return DispatchProof(
        evidence=evidence,
        requirements=tuple(requirements),
        failures=tuple(f for r in requirements for f in requirement.unmet(r, evidence.outcomes)),
        against=against,
        changes=tuple(changes(against.outcomes, evidence.outcomes)) if against is not None else (),
    )
