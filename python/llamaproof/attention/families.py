"""Families of inputs: each finds what no other does, and says where such data was met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from llamaproof.attention.cell import Cell
from llamaproof.attention.inputs import Inputs, flat_inputs, random_inputs
from llamaproof.errors import BadInput
from llamaproof.ggml import Ggml


@dataclass(frozen=True, kw_only=True)
class Family:
    """A way to fill a cell's tensors.

    Attributes:
        reason: what it alone finds.
        source: where such data was met.
        make: fills the tensors; the same data for a cell whenever and wherever.
    """

    name: str
    reason: str
    source: str
    make: Callable[[Ggml, Cell], Inputs]


RANDOM = Family(
    name="random",
    reason="a wrong index, mask, scale or sum: queries look at the cells that are easily missed",
    source="ggml's own test-backend-ops draws at random, too",
    make=random_inputs,
)

FLAT = Family(
    name="flat",
    reason="sums of V that overflow f16: every cell has the same weight, and all values one sign",
    source="llama.cpp #17746, and #18614 with Granite 4: attention that is nearly flat over a long "
    "context, over values far from zero",
    make=partial(flat_inputs, mean=np.float32(300)),
)

FAMILIES = (RANDOM, FLAT)


def find_family(name: str) -> Family:
    """A family by its name.

    Raises:
        BadInput: there is none of that name.
    """
    for family in FAMILIES:
        if family.name == name:
            return family
    names = ", ".join(family.name for family in FAMILIES)
    raise BadInput(f"there are no {name!r} inputs", hint=f"one of: {names}")
