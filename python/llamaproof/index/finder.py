"""Which wheel for which card: what the wheels' code and their evidence say of each sm."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from packaging.version import InvalidVersion, Version

from llamaproof import shadow
from llamaproof.binary.code_on_card import Arch, archs_of_cmake_item
from llamaproof.errors import BadInput
from llamaproof.index.drivers import driver_words, least_driver
from llamaproof.index.model import Publication, PublishedWheel, Variant

_SYSTEM_RELEASE = re.compile(r"_\d+_\d+_")
_NO_VERSION = Version("0.dev0")

# How a wheel comes to run on a card; `not said` where the wheel does not name its code.
Form = Literal["machine code", "PTX", "not said"]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A wheel that a card can take.

    Attributes:
        is_proved: whether its evidence speaks of a card of this sm.
    """

    variant: Variant
    wheel: PublishedWheel
    form: Form
    is_proved: bool

    @property
    def least_driver(self) -> int | None:
        """The first number of the oldest driver that it runs on; None where it is not known."""
        return least_driver(_cuda(self), compiles_ptx=self.form == "PTX")

    @property
    def driver(self) -> str:
        """The driver that it needs, in words."""
        return driver_words(_cuda(self), compiles_ptx=self.form == "PTX")


@dataclass(frozen=True, kw_only=True)
class CardsOfOneSm:
    """The cards of one compute capability, and the wheels for them, the best first."""

    sm: int
    cards: tuple[str, ...]
    choices: tuple[Choice, ...]


def current_wheels(publication: Publication, variant: Variant) -> tuple[PublishedWheel, ...]:
    """The wheels of a variant that are to be taken: of each project and platform the newest.

    They are several where a variant is published for several platforms or versions of Python.
    """
    offered = [wheel for wheel in publication.of_variant(variant.name) if wheel.yanked is None]
    newest: dict[tuple[str, ...], Version] = {}
    for wheel in offered:
        kind = _kind(wheel)
        newest[kind] = max(newest.get(kind, _NO_VERSION), _version(wheel))
    return tuple(wheel for wheel in offered if _version(wheel) == newest[_kind(wheel)])


def _kind(wheel: PublishedWheel) -> tuple[str, ...]:
    """The project and its platforms; which release of a system they ask for makes no other."""
    families = {_SYSTEM_RELEASE.sub("_", tag) for tag in wheel.facts.platforms}
    return (wheel.project, *sorted(families))


def _version(wheel: PublishedWheel) -> Version:
    try:
        return Version(wheel.version)
    except InvalidVersion:
        return _NO_VERSION


def wheels_by_card(publication: Publication) -> tuple[CardsOfOneSm, ...]:
    """For each sm of a known card, the current wheels that run on it.

    Machine code comes before PTX, which the driver compiles at the first use, and then the newer
    CUDA. What no evidence speaks of comes last. A wheel is left out where a better one runs on
    drivers as old.
    """
    offered = [
        (variant, wheel)
        for variant in publication.variants
        if variant.cuda_major is not None
        for wheel in current_wheels(publication, variant)
    ]
    names: dict[int, list[str]] = {}
    for gpu in shadow.all_gpus():
        names.setdefault(gpu.sm, []).append(gpu.name)
    return tuple(
        CardsOfOneSm(
            sm=sm,
            cards=tuple(cards),
            choices=tuple(_worth_taking(sorted(_choices(sm, offered), key=_rank))),
        )
        for sm, cards in names.items()
    )


def _choices(sm: int, offered: list[tuple[Variant, PublishedWheel]]) -> Iterator[Choice]:
    for variant, wheel in offered:
        form = _form_on(sm, wheel)
        is_proved = any(answer.sm == sm for answer in wheel.evidence.cards)
        promised = any(_sm_of(card) == sm for card in variant.cards)
        if form is not None and (form != "not said" or is_proved or promised):
            yield Choice(variant=variant, wheel=wheel, form=form, is_proved=is_proved)


def _worth_taking(best_first: Iterable[Choice]) -> Iterator[Choice]:
    oldest: int | None = None
    for choice in best_first:
        least = choice.least_driver
        if oldest is None or least is None or least < oldest:
            yield choice
            oldest = oldest if least is None else least


def _form_on(sm: int, wheel: PublishedWheel) -> Form | None:
    """How the wheel's code comes to run on an sm; None where it does not."""
    if not wheel.facts.cuda_arch:
        return "not said"
    kinds = {arch.kind for arch in _archs(wheel) if arch.runs_on(sm)}
    if "cubin" in kinds:
        return "machine code"
    return "PTX" if "ptx" in kinds else None


def _archs(wheel: PublishedWheel) -> Iterator[Arch]:
    for item in wheel.facts.cuda_arch:
        try:
            yield from archs_of_cmake_item(item)
        except BadInput:
            continue


def _sm_of(card: str) -> int | None:
    try:
        return shadow.find_gpu(card).sm
    except BadInput:
        return None


def _rank(choice: Choice) -> tuple[bool, bool, int, str]:
    newest_first = -(choice.variant.cuda_major or 0)
    has_code = choice.form == "machine code"
    return not choice.is_proved, not has_code, newest_first, choice.variant.name


def _cuda(choice: Choice) -> str:
    return choice.wheel.facts.cuda or str(choice.variant.cuda_major)
