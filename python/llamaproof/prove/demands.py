"""What a wheel must show before it is released: each demand with its reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from llamaproof import shadow
from llamaproof.dispatch import requirement
from llamaproof.dispatch.requirement import Requirement
from llamaproof.errors import BadInput
from llamaproof.prove import numbers, work

MAY_BE_LEFT_OUT = (numbers.NAME, work.NAME)

_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True)
class Demand(Generic[_Value]):
    """Something that is demanded, and why."""

    value: _Value
    reason: str


Cards = Demand[tuple[shadow.Gpu, ...]]


@dataclass(frozen=True, kw_only=True)
class Demands:
    """What is demanded of one kind of wheel.

    Attributes:
        profile: its name.
        reason: what kind of wheel it is, and whom it is for.
        work: the card whose counts of work are judged.
        require: what must run on the GPU, and what is known not to.
        cards: that the wheel must serve; None for one of each sm that it has code for.
        numbers: cards whose kernels are executed; None for the first of the above.
        against: in words, the target that it must be compared with.
        without: names of proofs that are left out.
        overridden: entries of the profile whose place an option of the command took.
    """

    profile: str
    reason: str
    work: Demand[shadow.Gpu]
    require: tuple[Demand[Requirement], ...] = ()
    cards: Cards | None = None
    numbers: Cards | None = None
    against: Demand[str] | None = None
    without: tuple[Demand[str], ...] = ()
    overridden: tuple[str, ...] = ()

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        return tuple(demand.value for demand in self.require)

    @property
    def contradiction(self) -> str:
        """What in them cannot hold together; empty where all can."""
        if self.numbers is not None and self.left_out(numbers.NAME) is not None:
            return "cards are named whose numbers are to be proved, and that proof is left out"
        return ""

    def left_out(self, proof: str) -> Demand[str] | None:
        """The demand that leaves a proof out; None where it is to be made."""
        return next((demand for demand in self.without if demand.value == proof), None)

    def with_options(
        self,
        *,
        require: Sequence[str] = (),
        cards: Sequence[str] = (),
        numbers: Sequence[str] = (),
        without: Sequence[str] = (),
    ) -> Demands:
        """The demands, where what was given on the command line takes the place of entries.

        Raises:
            BadInput: what was given is no requirement or no known card, or contradicts the rest.
        """
        given: dict[str, Any] = {
            "require": tuple(_asked("require", requirement.parse(text)) for text in require),
            "cards": _asked("cards", shadow.parse_gpus(cards)) if cards else None,
            "numbers": _asked("numbers", shadow.parse_gpus(numbers)) if numbers else None,
            "without": tuple(_asked(f"without {name}", name) for name in without),
        }
        taken = {name: value for name, value in given.items() if value}
        demands = dataclasses.replace(self, **taken, overridden=tuple(taken))
        if demands.contradiction:
            raise BadInput(demands.contradiction, where=f"demands: {self.profile}")
        return demands

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """For people: each demand, what is demanded, and why."""
        for required in self.require:
            what = "on the GPU" if required.value.kind == "kernel" else "known to fall back"
            yield what, required.value.text, required.reason
        for what, cards in (("cards", self.cards), ("numbers", self.numbers)):
            if cards is not None:
                yield what, ", ".join(gpu.name for gpu in cards.value), cards.reason
        yield "work", f"counts for the {self.work.value.name}", self.work.reason
        if self.against is not None:
            yield "no worse than", self.against.value, self.against.reason
        for left_out in self.without:
            yield "left out", left_out.value, left_out.reason

    def json(self) -> dict[str, Any]:
        """As the evidence keeps it."""
        return {
            "profile": self.profile,
            "reason": self.reason,
            "require": [{"cells": d.value.text, "reason": d.reason} for d in self.require],
            "cards": _cards_json(self.cards),
            "numbers": _cards_json(self.numbers),
            "work": {"card": self.work.value.name, "reason": self.work.reason},
            "against": None
            if self.against is None
            else {"target": self.against.value, "reason": self.against.reason},
            "without": [{"proof": d.value, "reason": d.reason} for d in self.without],
            "overridden": list(self.overridden),
        }


def _asked(option: str, value: _Value) -> Demand[_Value]:
    return Demand(value=value, reason=f"asked for on the command line (--{option})")


def _cards_json(demand: Cards | None) -> dict[str, Any] | None:
    if demand is None:
        return None
    return {"names": [gpu.name for gpu in demand.value], "reason": demand.reason}
