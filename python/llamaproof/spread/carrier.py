"""The one seam between what a command examines and where that is done.

A command says what there is to examine, in batches, and which function examines one. A carrier has
it done: here, in one process after the other, or by the workers of a cluster. Whoever did it, the
answers come back in the order of what was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from llamaproof.errors import LlamaproofError
from llamaproof.target import Target

Part = TypeVar("Part")
Item = TypeVar("Item")
PartIn = TypeVar("PartIn", contravariant=True)
ItemIn = TypeVar("ItemIn", contravariant=True)

# A batch's answer: `answers`, one for each item, and beside it what was found of the target.
Answer = Mapping[str, Any]
# Told how many items are done, and what is being done, in words.
Told = Callable[[int, str], None]

_ANSWERS = "answers"
# With one batch for each, all would wait for the slowest.
_FOR_EACH_HAND = 3


@dataclass(frozen=True, kw_only=True)
class Batch(Generic[Part, Item]):
    """Items to examine in one go.

    Attributes:
        part: what they are examined on, such as a GPU.
        label: of the part, for people; empty where there is only one.
    """

    part: Part
    items: tuple[Item, ...]
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Lost:
    """What could not be examined, although nothing is known to be wrong with it.

    Attributes:
        how: what happened, in words that name no machine.
    """

    how: str


class Examine(Protocol[PartIn, ItemIn]):
    """What examines a batch: a function of a module, or a partial of one, so that it travels."""

    def __call__(
        self,
        target: Target,
        part: PartIn,
        items: Sequence[ItemIn],
        on_done: Callable[[int], None],
        /,
    ) -> Answer:
        """The answer to a batch.

        Args:
            on_done: told, now and then, how many of the items are done.
        """


class Carrier(Protocol):
    """What has batches examined.

    Attributes:
        splits: whether many batches are better than one: they may be examined at a time, and one
            of them may be lost.
    """

    splits: bool

    @property
    def hands(self) -> int:
        """How many batches can be examined at a time, now; at least 1."""

    def carry(
        self,
        target: Target,
        examine: Examine[Part, Item],
        batches: Sequence[Batch[Part, Item]],
        told: Told,
    ) -> Iterator[tuple[int, Answer | Lost]]:
        """Each batch's index and answer, in no order; what is left when it ends early is dropped.

        Raises:
            LlamaproofError: what an examination raises, or it could not be carried.
        """


class Here:
    """This machine: one batch after the other, each in processes of its own."""

    splits = False
    hands = 1

    def carry(
        self,
        target: Target,
        examine: Examine[Part, Item],
        batches: Sequence[Batch[Part, Item]],
        told: Told,
    ) -> Iterator[tuple[int, Answer | Lost]]:
        before = 0
        for index, batch in enumerate(batches):
            tell = _counting(told, before, f"on {batch.label}" if batch.label else "")
            yield index, examine(target, batch.part, batch.items, tell)
            before += len(batch.items)


HERE = Here()


@dataclass(frozen=True, kw_only=True)
class Examined:
    """All items of a part.

    Attributes:
        facts: what was found of the target, and is the same whichever batch found it.
        answers: one for each item, in their order; `Lost` for one that was not examined.
    """

    facts: Mapping[str, Any]
    answers: tuple[Any, ...]


def batches_of(
    carrier: Carrier, part: Part, items: Sequence[Item], *, size: int, label: str = ""
) -> list[Batch[Part, Item]]:
    """Items in batches of so many, or of fewer, so that all hands have some; in one, where the
    carrier has nothing of more."""
    step = max(1, len(items))
    if carrier.splits:
        step = max(1, min(size, len(items) // (_FOR_EACH_HAND * carrier.hands)))
    starts = range(0, len(items), step)
    return [
        Batch(part=part, items=tuple(items[start : start + step]), label=label) for start in starts
    ]


def examine_all(
    carrier: Carrier,
    target: Target,
    examine: Examine[Part, Item],
    batches: Sequence[Batch[Part, Item]],
    told: Told | None = None,
) -> list[Answer | Lost]:
    """The answer to each batch, in the order of the batches.

    Raises:
        LlamaproofError: as `Carrier.carry`; or a batch was answered twice, not at all, or with
            other than one answer for each item.
    """
    found: dict[int, Answer | Lost] = {}
    for index, answer in carrier.carry(target, examine, batches, told or _tell_nobody):
        if index in found:
            raise _at_fault(f"batch {index} was answered twice")
        found[index] = answer
    for index, batch in enumerate(batches):
        _check_answer(index, batch, found.get(index))
    return [found[index] for index in range(len(batches))]


def joined(
    batches: Sequence[Batch[Part, Item]], answers: Sequence[Answer | Lost], *, about: object
) -> Examined:
    """The batches of one part as one.

    Raises:
        LlamaproofError: they found different facts, or every one of them was lost.
    """
    facts: dict[str, Any] | None = None
    each: list[Any] = []
    for batch, answer in zip(batches, answers, strict=True):
        if isinstance(answer, Lost):
            each += [answer] * len(batch.items)
            continue
        each += answer[_ANSWERS]
        own = {name: value for name, value in answer.items() if name != _ANSWERS}
        if facts is not None and own != facts:
            raise LlamaproofError(
                f"two batches found different things of the same target: {facts} and {own}",
                where=about,
                hint="the machines differ in what the target depends on: make them alike",
            )
        facts = own
    if facts is None:
        how = next((answer.how for answer in answers if isinstance(answer, Lost)), "nothing asked")
        raise LlamaproofError(f"no cell could be checked: {how}", where=about)
    return Examined(facts=facts, answers=tuple(each))


def _check_answer(index: int, batch: Batch[Any, Any], answer: Answer | Lost | None) -> None:
    if answer is None:
        raise _at_fault(f"batch {index} was not answered")
    if not isinstance(answer, Lost) and len(answer[_ANSWERS]) != len(batch.items):
        raise _at_fault(
            f"batch {index} has {len(batch.items)} items and {len(answer[_ANSWERS])} answers"
        )


def _at_fault(what: str) -> LlamaproofError:
    return LlamaproofError(
        what, hint="this is a fault of llamaproof's, and says nothing about the target"
    )


def _counting(told: Told, before: int, words: str) -> Callable[[int], None]:
    return lambda done: told(before + done, words)


def _tell_nobody(_done: int, _doing: str) -> None:
    """Where nobody watches."""
