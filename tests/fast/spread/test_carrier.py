"""Whoever examined what, in whatever order: the answers are those of one machine, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from llamaproof.errors import LlamaproofError
from llamaproof.spread.carrier import (
    HERE,
    Answer,
    Batch,
    Carrier,
    Examined,
    Lost,
    batches_of,
    examine_all,
    joined,
)
from llamaproof.target import Target
from tests.support.spread.carriers import Answered, Planted

TARGET = Target(
    name="toy", kind="libraries", package=None, lib_dir=Path(), version=None, sha256=None
)
NUMBERS = tuple(range(10))


def squared(
    _target: Target, part: str, items: Sequence[int], on_done: Callable[[int], None], /
) -> Answer:
    on_done(len(items))
    return {"device": part, "answers": [item * item for item in items]}


def asked(carrier: Carrier, size: int = 3, told: Any = None) -> Examined:
    batches = batches_of(carrier, "L40S", NUMBERS, size=size, label="L40S")
    return joined(batches, examine_all(carrier, TARGET, squared, batches, told), about="toy")


def test_this_machine_takes_all_items_in_one_batch_and_tells_how_far_it_is() -> None:
    told: list[tuple[int, str]] = []
    found = asked(HERE, told=lambda done, doing: told.append((done, doing)))
    assert found == Examined(facts={"device": "L40S"}, answers=tuple(n * n for n in NUMBERS))
    assert told == [(10, "on L40S")]


@pytest.mark.parametrize("size", [1, 3, 10, 100])
def test_batches_of_any_size_give_the_same(size: int) -> None:
    assert asked(Planted(), size) == asked(HERE)


@pytest.mark.parametrize(("hands", "sizes"), [(1, [3, 3, 3, 1]), (2, [1] * 10), (1000, [1] * 10)])
def test_there_are_batches_for_all_hands(hands: int, sizes: list[int]) -> None:
    batches = batches_of(Planted(hands=hands), "L40S", NUMBERS, size=4)
    assert [len(batch.items) for batch in batches] == sizes


def test_planted_a_carrier_that_reorders_changes_nothing() -> None:
    assert asked(Planted(lambda answers: answers[::-1])) == asked(HERE)


def test_planted_a_carrier_that_loses_a_batch_is_found() -> None:
    with pytest.raises(LlamaproofError, match="batch 3 was not answered"):
        asked(Planted(lambda answers: answers[:-1]))


def test_planted_a_carrier_that_brings_a_batch_twice_is_found() -> None:
    with pytest.raises(LlamaproofError, match="batch 0 was answered twice"):
        asked(Planted(lambda answers: [*answers, answers[0]]))


def test_planted_an_answer_too_few_is_found() -> None:
    def shorten(answers: list[Answered]) -> list[Answered]:
        index, answer = answers[0]
        assert not isinstance(answer, Lost)
        return [(index, {**answer, "answers": answer["answers"][1:]}), *answers[1:]]

    with pytest.raises(LlamaproofError, match="batch 0 has 3 items and 2 answers"):
        asked(Planted(shorten))


def test_planted_machines_that_see_another_device_are_found() -> None:
    def other(answers: list[Answered]) -> list[Answered]:
        index, answer = answers[0]
        assert not isinstance(answer, Lost)
        return [(index, {**answer, "device": "another"}), *answers[1:]]

    with pytest.raises(LlamaproofError, match="two batches found different things"):
        asked(Planted(other))


def test_what_was_lost_stands_in_its_place_among_the_answers() -> None:
    lost = Lost(how="the workers died")
    found = asked(Planted(lambda answers: [(0, lost), *answers[1:]]))
    assert found.answers == (lost, lost, lost, *(n * n for n in NUMBERS[3:]))


def test_where_every_batch_was_lost_nothing_is_known() -> None:
    lost = Lost(how="the workers died")
    batches = [Batch(part="L40S", items=(1, 2))]
    with pytest.raises(LlamaproofError, match="no cell could be checked: the workers died"):
        joined(batches, [lost], about="toy")
