"""Which cards a wheel is proved for."""

from __future__ import annotations

from collections.abc import Iterable

from llamaproof import shadow
from llamaproof.abi.device import DeviceCode
from llamaproof.errors import BadInput


def parse_cards(texts: Iterable[str]) -> tuple[shadow.Gpu, ...]:
    """Cards by name, in lists: `L40S,H200`; `T4+` is one of T4's sm and of each newer one.

    Raises:
        BadInput: the table has no such card.
    """
    found: dict[str, shadow.Gpu] = {}
    for text in texts:
        for name in text.split(","):
            named = shadow.find_gpu(name.strip().removesuffix("+"))
            found[named.name] = named
            if name.strip().endswith("+"):
                newer = (gpu for gpu in shadow.representatives() if gpu.sm > named.sm)
                found.update((gpu.name, gpu) for gpu in newer)
    return tuple(found.values())


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


def named(cards: Iterable[shadow.Gpu]) -> str:
    """`T4 (sm_75), L40S (sm_89)`."""
    return ", ".join(f"{gpu.name} (sm_{gpu.sm})" for gpu in cards)
