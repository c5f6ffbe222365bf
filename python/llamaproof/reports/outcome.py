"""What a check came to, which of several outcomes counts, and the exit code it stands for."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED
from llamaproof.reports.blocks import Tone


class Outcome(str, Enum):
    """What a check came to, in the words that people and documents are given.

    From what weighs most to what weighs least: a defect is one however much else could not be
    checked, and what was only noted, was left out on request or is not there decides nothing.
    """

    DEFECT = "a defect was found"
    NOT_CHECKED = "could not be checked"
    HOLDS = "holds"
    NOTED = "noted"
    LEFT_OUT = "left out"
    NOTHING_TO_PROVE = "nothing to prove"

    @property
    def exit_code(self) -> int:
        """0 when it holds, 1 for a defect; 2 for all else: nothing was decided."""
        return {Outcome.HOLDS: HOLDS, Outcome.DEFECT: DEFECT}.get(self, NOT_CHECKED)

    @property
    def tone(self) -> Tone:
        """How it looks on a terminal and on a page."""
        tones: dict[Outcome, Tone] = {
            Outcome.HOLDS: "good",
            Outcome.DEFECT: "worst",
            Outcome.NOT_CHECKED: "open",
        }
        return tones.get(self, "")


def of_exit_code(code: int) -> Outcome:
    """The outcome that an exit code stands for, such as an error's."""
    return {HOLDS: Outcome.HOLDS, DEFECT: Outcome.DEFECT}.get(code, Outcome.NOT_CHECKED)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome that counts of several; where there is none, nothing was checked."""
    found = set(outcomes)
    return next((outcome for outcome in Outcome if outcome in found), Outcome.NOT_CHECKED)
