"""What the doctor finds, in the words it is told in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llamaproof.reports.outcome import Outcome

# stops: flash attention will not run; unclear: it could not be told; note: worth knowing; fine.
Level = Literal["stops", "unclear", "note", "fine"]

OUTCOMES: dict[Level, Outcome] = {
    "stops": Outcome.DEFECT,
    "unclear": Outcome.NOT_CHECKED,
    "note": Outcome.NOTED,
    "fine": Outcome.HOLDS,
}


@dataclass(frozen=True, kw_only=True)
class DoctorFinding:
    """One thing that was looked at.

    Attributes:
        code: for machines and tests, as in `cpu-only`.
        what: what was found, in one sentence.
        remedy: what to do about it; empty when nothing is to be done.
    """

    level: Level
    code: str
    what: str
    remedy: str = ""


def fine(code: str, what: str) -> DoctorFinding:
    return DoctorFinding(level="fine", code=code, what=what)


def note(code: str, what: str, remedy: str = "") -> DoctorFinding:
    return DoctorFinding(level="note", code=code, what=what, remedy=remedy)


def stops(code: str, what: str, remedy: str) -> DoctorFinding:
    return DoctorFinding(level="stops", code=code, what=what, remedy=remedy)


def unclear(code: str, what: str, remedy: str) -> DoctorFinding:
    return DoctorFinding(level="unclear", code=code, what=what, remedy=remedy)
