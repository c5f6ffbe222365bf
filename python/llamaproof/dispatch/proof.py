"""What a survey proves: requirements hold, and no cell is worse than another target's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llamaproof.dispatch import requirement
from llamaproof.dispatch.changes import Change, changes, changes_json
from llamaproof.dispatch.requirement import Requirement, Unmet, requirements_json
from llamaproof.placement.by_model import ModelPlacement, place_models
from llamaproof.placement.survey import Survey
from llamaproof.reports.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class DispatchProof:
    """Where attention runs, and what was asked of it.

    Attributes:
        against: the target compared with; None when there was none.
        changes: cells that differ from it.
        models: what becomes of familiar models, as far as their cells were examined.
    """

    survey: Survey
    requirements: tuple[Requirement, ...]
    failures: tuple[Unmet, ...]
    against: Survey | None
    changes: tuple[Change, ...]
    models: tuple[ModelPlacement, ...]

    @property
    def worse(self) -> int:
        """Cells that are worse than in the target compared with."""
        return sum(change.verdict == "worse" for change in self.changes)

    @property
    def outcome(self) -> Outcome:
        return Outcome.DEFECT if self.failures or self.worse else Outcome.HOLDS

    def json(self) -> dict[str, Any]:
        """The versioned document of the survey, with what was asked of it."""
        document = self.survey.json()
        document["requirements"] = requirements_json(self.requirements, self.failures)
        document["models"] = [each.json() for each in self.models]
        if self.against is not None:
            document["comparison"] = changes_json(self.against, self.changes)
        return document


def assemble(
    survey: Survey,
    requirements: Sequence[Requirement],
    against: Survey | None,
) -> DispatchProof:
    """Judge the survey of a target.

    Raises:
        BadInput: a required cell was not examined.
    """
    return DispatchProof(
        survey=survey,
        requirements=tuple(requirements),
        failures=tuple(f for r in requirements for f in requirement.unmet(r, survey.outcomes)),
        against=against,
        changes=tuple(changes(against.outcomes, survey.outcomes)) if against is not None else (),
        models=place_models(survey.outcomes),
    )
