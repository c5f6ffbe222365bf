"""Carriers that do what a carrier must not, around one that does what it should."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from llamaproof.spread.carrier import Answer, Batch, Examine, Here, Item, Lost, Part, Told
from llamaproof.target import Target

Answered = tuple[int, Answer | Lost]


@dataclass
class Planted:
    """Splits, and does something to what is brought back."""

    spoil: Callable[[list[Answered]], list[Answered]] = lambda answers: answers
    splits: bool = True
    hands: int = 1

    def carry(
        self,
        target: Target,
        examine: Examine[Part, Item],
        batches: Sequence[Batch[Part, Item]],
        told: Told,
    ) -> Iterator[Answered]:
        yield from self.spoil(list(Here().carry(target, examine, batches, told)))
