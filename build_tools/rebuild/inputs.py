"""Whether what is at hand is what a wheel says it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from build_tools.toolkit.recipes import RECIPES
from build_tools.toolkit.settings import ToolkitSettings
from build_tools.wheel.inputs import Wanted
from llamaproof.wheel_contents import WheelFacts

# Whether bytes can be had again is no input; both builds say it of themselves.
_NO_INPUT = ("making.reproducible",)
_ABSENT = "nothing"


@dataclass(frozen=True, kw_only=True)
class OtherInput:
    """One fact of a wheel's making that is not so here."""

    name: str
    of_wheel: str
    at_hand: str

    def __str__(self) -> str:
        return f"{self.name}: the wheel says {self.of_wheel}, here it is {self.at_hand}"


def wanted_by(facts: WheelFacts, given: ToolkitSettings) -> Wanted:
    """What has to be built to get the wheel again.

    Args:
        given: the user's own toolkit, where the wheel was not made with one of the lock files.
    """
    recipe = next((recipe for recipe in RECIPES if recipe.version == facts.cuda), None)
    own = given.home is not None or recipe is None
    return Wanted(
        arch=";".join(facts.cuda_arch) or "cpu",
        toolkit=given if own else ToolkitSettings(cuda=recipe.name if recipe else None),
        pin=facts.pin,
        first=len(facts.patches),
    )


def other_inputs(of_wheel: WheelFacts, at_hand: WheelFacts) -> tuple[OtherInput, ...]:
    """Every fact that differs, in the order in which a wheel tells them."""
    facts = dict(_flat(asdict(of_wheel))), dict(_flat(asdict(at_hand)))
    names = [name for name in {**facts[0], **facts[1]} if name not in _NO_INPUT]
    return tuple(
        OtherInput(
            name=name,
            of_wheel=facts[0].get(name, _ABSENT),
            at_hand=facts[1].get(name, _ABSENT),
        )
        for name in names
        if facts[0].get(name) != facts[1].get(name)
    )


def _flat(members: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in members.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        elif isinstance(value, (tuple, list)):
            yield from _flat(dict(map(_named, enumerate(value))), f"{path}.")
        else:
            yield path, str(value)


def _named(numbered: tuple[int, Any]) -> tuple[str, Any]:
    """A member of a list under a name of its own, where it has one: a patch, a package."""
    number, value = numbered
    name = value.get("name") if isinstance(value, Mapping) else None
    return str(name or number), value
