"""Which cards a wheel is proved for, and which of them a target has code for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llamaproof import shadow
from llamaproof.abi.device import DeviceCode, read_device_code
from llamaproof.errors import BadInput
from llamaproof.target import open_target


def covered_cards(code: DeviceCode) -> tuple[shadow.Gpu, ...]:
    """One card for each sm that the code runs on.

    Raises:
        BadInput: it runs on none of the cards that are known.
    """
    cards = tuple(gpu for gpu in shadow.representatives() if code.runs_on(gpu.sm))
    if not cards:
        raise BadInput(
            "the GPU code runs on no known card",
            where=", ".join(code.archs),
            hint="name a card with --cards",
        )
    return cards


def code_of(target: str) -> DeviceCode:
    """The GPU code of a target.

    Raises:
        BadInput: it is no target.
    """
    with open_target(target) as opened:
        return read_device_code(opened.libraries)


def split_by_code(
    code: DeviceCode, cards: Sequence[shadow.Gpu]
) -> tuple[list[shadow.Gpu], list[shadow.Gpu]]:
    """The cards that the code runs on, and the others."""
    served = [gpu for gpu in cards if code.runs_on(gpu.sm)]
    return served, [gpu for gpu in cards if gpu not in served]


def named(cards: Iterable[shadow.Gpu]) -> str:
    """`T4 (sm_75), L40S (sm_89)`."""
    return ", ".join(f"{gpu.name} (sm_{gpu.sm})" for gpu in cards)
