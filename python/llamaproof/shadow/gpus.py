"""The cards that the shadow runtime can play."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any

from llamaproof.errors import BadInput

_KIB = 1024


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One card. Sizes in bytes; where each figure is from stands in `gpus.json`.

    Attributes:
        name: the short name it is asked for by: `L40S`.
        reported_name: what CUDA calls it.
        sm: compute capability as one number: 89 is 8.9.
        memory: that a program sees in all. Drivers differ in it by a percent. Where no report of
            one was found it is the datasheet's, a few percent too much.
        memory_source: where that figure is from.
        shared_per_block_optin: the most shared memory a block may have.
        reserved_shared_per_block: what the system adds to each block's shared memory.
        integrated: shares the machine's memory.
    """

    name: str
    reported_name: str
    sm: int
    memory: int
    multiprocessors: int
    max_threads_per_multiprocessor: int
    max_blocks_per_multiprocessor: int
    shared_per_multiprocessor: int
    shared_per_block_optin: int
    reserved_shared_per_block: int
    l2: int
    clock_khz: int
    memory_clock_khz: int
    memory_bus_bits: int
    integrated: bool
    memory_source: str
    source: str


@functools.cache
def all_gpus() -> tuple[Gpu, ...]:
    """Every card of the table, by sm and then in the table's order."""
    text = resources.files("llamaproof.shadow").joinpath("gpus.json").read_text(encoding="utf-8")
    table = json.loads(text)
    return tuple(_gpu(card, table["compute_capabilities"]) for card in table["cards"])


def find_gpus(names: Iterable[str] = (), sms: Iterable[int] = ()) -> tuple[Gpu, ...]:
    """The cards asked for by name (`all`: one per sm) or by sm (the sm's first card).

    Each card comes once, in the order of the request.

    Raises:
        BadInput: the table has no such card or sm.
    """
    found: dict[str, Gpu] = {}
    for name in names:
        chosen = representatives() if name.lower() == "all" else (find_gpu(name),)
        found.update((gpu.name, gpu) for gpu in chosen)
    for sm in sms:
        gpu = gpu_of_sm(sm)
        found[gpu.name] = gpu
    return tuple(found.values())


def parse_gpus(texts: Iterable[str]) -> tuple[Gpu, ...]:
    """Cards by name, in lists: `L40S,H200`; `T4+` is one of T4's sm and of each newer one.

    Raises:
        BadInput: the table has no such card.
    """
    found: dict[str, Gpu] = {}
    for text in texts:
        for name in text.split(","):
            named = find_gpu(name.strip().removesuffix("+"))
            found[named.name] = named
            if name.strip().endswith("+"):
                newer = (gpu for gpu in representatives() if gpu.sm > named.sm)
                found.update((gpu.name, gpu) for gpu in newer)
    return tuple(found.values())


def find_gpu(name: str) -> Gpu:
    """The card of this name: `L40S`, `rtx 4090`, `RTX4090`, `NVIDIA H200`.

    Raises:
        BadInput: the table has no such card.
    """
    wanted = _plain(name)
    for gpu in all_gpus():
        if wanted in (_plain(gpu.name), _plain(gpu.reported_name)):
            return gpu
    raise BadInput(
        f"no GPU called {name!r} in the table",
        hint=f"one of: {', '.join(gpu.name for gpu in all_gpus())}; or `all`",
    )


def gpu_of_sm(sm: int) -> Gpu:
    """The card that stands for an sm.

    Raises:
        BadInput: the table has no card of this sm.
    """
    for gpu in representatives():
        if gpu.sm == sm:
            return gpu
    known = ", ".join(str(gpu.sm) for gpu in representatives())
    raise BadInput(f"no GPU with sm {sm} in the table", hint=f"one of: {known}")


def representatives() -> tuple[Gpu, ...]:
    """One card for each sm: the first in the table."""
    first: dict[int, Gpu] = {}
    for gpu in all_gpus():
        first.setdefault(gpu.sm, gpu)
    return tuple(first.values())


def _gpu(card: dict[str, Any], capabilities: dict[str, dict[str, int]]) -> Gpu:
    capability = capabilities[str(card["sm"])]
    return Gpu(
        name=card["name"],
        reported_name=card["reported_name"],
        sm=card["sm"],
        memory=card["memory_kib"] * _KIB,
        multiprocessors=card["multiprocessors"],
        max_threads_per_multiprocessor=capability["max_threads_per_multiprocessor"],
        max_blocks_per_multiprocessor=capability["max_blocks_per_multiprocessor"],
        shared_per_multiprocessor=capability["shared_per_multiprocessor_kib"] * _KIB,
        shared_per_block_optin=capability["shared_per_block_optin_kib"] * _KIB,
        reserved_shared_per_block=capability["reserved_shared_per_block_kib"] * _KIB,
        l2=card["l2_kib"] * _KIB,
        clock_khz=card["boost_mhz"] * 1000,
        memory_clock_khz=card["memory_mhz"] * 1000,
        memory_bus_bits=card["bus_bits"],
        integrated=card["integrated"],
        memory_source=card["memory_source"],
        source=card["source"],
    )


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
