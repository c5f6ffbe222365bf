"""Families of inputs: each finds what no other does, and says where such data was met."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llamaproof.attention.cell import Cell, Extras
from llamaproof.attention.inputs import VALUES, Inputs, Recipe, make_inputs
from llamaproof.attention.seen import PATTERNS
from llamaproof.errors import BadInput
from llamaproof.ggml import Ggml
from llamaproof.reports.document import Schema, expect
from llamaproof.toml import read_toml

SCHEMA = Schema(name="llamaproof.families", version=1)
FILE = Path(__file__).with_name("families.toml")
RANDOM_NAME = "random"


@dataclass(frozen=True, kw_only=True)
class Family:
    """A way to fill a cell's tensors.

    Attributes:
        finds: what it alone finds.
        source: where such data was met.
        recipe: fills the tensors; the same data for a cell whenever and wherever.
        extras: what a node of this family has besides Q, K, V and a mask; None leaves a cell's.
    """

    name: str
    finds: str
    source: str
    recipe: Recipe
    extras: Extras | None = None

    def make(self, ggml: Ggml, cell: Cell) -> Inputs:
        """The tensors of a cell."""
        return make_inputs(ggml, cell, self.recipe)

    def fitted(self, cell: Cell) -> Cell:
        """A cell as this family asks for it."""
        return cell if self.extras is None else replace(cell, extras=self.extras)


@functools.cache
def all_families() -> tuple[Family, ...]:
    """Every family of `families.toml`, the random one first.

    Raises:
        BadInput: the file is not understood whole.
    """
    document = read_toml(FILE, "the families of inputs")
    expect(document, SCHEMA, where=FILE, hint="it belongs to another version of llamaproof")
    return tuple(_family(table) for table in document["family"])


def find_family(name: str) -> Family:
    """A family by its name.

    Raises:
        BadInput: there is none of that name.
    """
    for family in all_families():
        if family.name == name:
            return family
    names = ", ".join(family.name for family in all_families())
    raise BadInput(f"there are no {name!r} inputs", hint=f"one of: {names}")


def _family(table: Mapping[str, Any]) -> Family:
    rest = dict(table)
    try:
        family = Family(
            name=rest.pop("name"),
            finds=rest.pop("finds"),
            source=rest.pop("source"),
            extras=Extras(**rest.pop("extras")) if "extras" in rest else None,
            recipe=Recipe(**rest),
        )
    except (KeyError, TypeError) as error:
        raise BadInput(f"no family of inputs: {dict(table)!r} ({error})", where=FILE) from error
    if family.recipe.values not in VALUES or family.recipe.seen not in PATTERNS:
        raise BadInput(
            f"the {family.name} inputs are made in a way that is not known", where=FILE,
            hint=f"values: {', '.join(VALUES)}; seen: {', '.join(PATTERNS)}",
        )  # fmt: skip
    return family


RANDOM = find_family(RANDOM_NAME)
