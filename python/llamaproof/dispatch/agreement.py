"""Does a real GPU do what the shadow of it said, cell by cell?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.errors import LlamaproofError
from llamaproof.placement.outcome import CellOutcome, KernelUse
from llamaproof.placement.survey import outcome_json
from llamaproof.reports.outcome import Outcome

# What both see of a kernel, by name. What an abort printed is not compared: a trap's launch, say,
# is foreseen by one and runs into an error on the other.
COMPARED: Mapping[str, Callable[[KernelUse], object]] = {
    "kernel": lambda use: use.kernel.function,
    "template arguments": lambda use: use.kernel.arguments,
    "grid": lambda use: use.grid,
    "block": lambda use: use.block,
    "dynamic shared memory": lambda use: use.shared_bytes,
    "other launches": lambda use: use.helpers,
}


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """A cell on which the real GPU and its shadow differ.

    Attributes:
        what: names of `COMPARED`, or `outcome` alone where not both ran a kernel.
    """

    cell: Cell
    what: tuple[str, ...]
    shadow: CellOutcome
    real: CellOutcome

    def lines(self) -> tuple[str, ...]:
        """What the two have, one line for each name in `what`."""
        if self.shadow.use is None or self.real.use is None:
            return (f"outcome: shadow {self.shadow.text}, real {self.real.text}",)
        return tuple(
            f"{name}: shadow {COMPARED[name](self.shadow.use)}, "
            f"real {COMPARED[name](self.real.use)}"
            for name in self.what
        )


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A real GPU beside the shadow of the same card.

    Attributes:
        gpu: the card's name.
        n_cells: how many were compared.
    """

    gpu: str
    n_cells: int
    disagreements: tuple[Disagreement, ...]

    @property
    def outcome(self) -> Outcome:
        return Outcome.DEFECT if self.disagreements else Outcome.HOLDS

    def json(self) -> dict[str, Any]:
        """For the versioned document; each cell is a row in the order of `cell_columns`."""
        return {
            "gpu": self.gpu,
            "cells": self.n_cells,
            "compared": ["outcome", *COMPARED],
            "disagreements": [
                {
                    "cell": rows.to_row(d.cell),
                    "what": list(d.what),
                    "shadow": outcome_json(d.shadow),
                    "real": outcome_json(d.real),
                }
                for d in self.disagreements
            ],
        }


def agree(
    gpu: str, shadow: Mapping[Cell, CellOutcome], real: Mapping[Cell, CellOutcome]
) -> Agreement:
    """Compare the two.

    Raises:
        LlamaproofError: there is nothing to compare, or the two were asked other cells.
    """
    if not real or shadow.keys() != real.keys():
        raise LlamaproofError(
            f"agreement on {gpu} cannot be judged: {len(real)} cells were examined on the GPU, "
            f"{len(shadow)} on its shadow, {len(shadow.keys() & real.keys())} on both"
        )
    found = []
    for cell, outcome in real.items():
        what = _differences(shadow[cell], outcome)
        if what:
            found.append(Disagreement(cell=cell, what=what, shadow=shadow[cell], real=outcome))
    return Agreement(gpu=gpu, n_cells=len(real), disagreements=tuple(found))


def grouped(
    disagreements: Sequence[Disagreement],
) -> list[tuple[tuple[str, ...], tuple[Disagreement, ...]]]:
    """By what differs, the most frequent first."""
    groups: dict[tuple[str, ...], list[Disagreement]] = {}
    for one in disagreements:
        groups.setdefault(one.what, []).append(one)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [(what, tuple(members)) for what, members in ordered]


def _differences(shadow: CellOutcome, real: CellOutcome) -> tuple[str, ...]:
    if shadow.kind != real.kind:
        return ("outcome",)
    if shadow.use is None or real.use is None:
        return ()
    uses = (shadow.use, real.use)
    return tuple(name for name, of in COMPARED.items() if of(uses[0]) != of(uses[1]))
