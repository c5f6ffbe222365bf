"""Which of several outcomes counts, and what exit code it stands for."""

from __future__ import annotations

import itertools

import pytest

from llamaproof.errors import BadInput, DefectFound
from llamaproof.reports.outcome import Outcome, of_exit_code, worst

DECIDED = (Outcome.DEFECT, Outcome.NOT_CHECKED, Outcome.HOLDS)


@pytest.mark.parametrize("others", list(itertools.combinations(Outcome, 2)))
def test_a_defect_is_one_whatever_else_there_is(others: tuple[Outcome, ...]) -> None:
    assert worst([*others, Outcome.DEFECT]) is Outcome.DEFECT


def test_what_could_not_be_checked_outweighs_what_holds() -> None:
    assert worst([Outcome.HOLDS, Outcome.NOT_CHECKED, Outcome.NOTED]) is Outcome.NOT_CHECKED


def test_what_was_noted_or_left_out_takes_nothing_from_what_holds() -> None:
    others = [outcome for outcome in Outcome if outcome not in DECIDED]
    assert worst([*others, Outcome.HOLDS]) is Outcome.HOLDS


def test_nothing_checked_is_never_passed() -> None:
    assert worst([]) is Outcome.NOT_CHECKED
    undecided = [outcome for outcome in Outcome if outcome not in DECIDED]
    assert undecided
    for count in range(1, len(undecided) + 1):
        for some in itertools.combinations(undecided, count):
            assert worst(some).exit_code == 2


def test_exit_codes() -> None:
    assert [outcome.exit_code for outcome in DECIDED] == [1, 2, 0]
    assert [of_exit_code(outcome.exit_code) for outcome in DECIDED] == list(DECIDED)
    assert of_exit_code(BadInput("corrupt").exit_code) is Outcome.NOT_CHECKED
    assert of_exit_code(DefectFound("wrong").exit_code) is Outcome.DEFECT
