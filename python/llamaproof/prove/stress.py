"""Which families of inputs a proof executes, at which shapes, and what it leaves out."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llamaproof import shadow
from llamaproof.attention.cell import LAYOUTS, Cell
from llamaproof.attention.families import Family, find_family
from llamaproof.attention.grid import Axes, cells_of, heads_of
from llamaproof.errors import BadInput
from llamaproof.ggml import GgmlType
from llamaproof.reports.document import Schema, expect
from llamaproof.toml import read_toml

SCHEMA = Schema(name="llamaproof.stress", version=1)
FILE = Path(__file__).with_name("stress.toml")


@dataclass(frozen=True, kw_only=True)
class StressRun:
    """Cells that are filled from one family.

    Attributes:
        multiprocessors: that the card is played with; None for as many as it has.
        reasons: what each group of them alone can find.
    """

    family: Family
    multiprocessors: int | None
    cells: tuple[Cell, ...]
    reasons: tuple[str, ...]

    def on(self, gpu: shadow.Gpu) -> shadow.Gpu:
        """The card as it is played."""
        return replace(gpu, multiprocessors=self.multiprocessors or gpu.multiprocessors)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """What is not executed, and why."""

    what: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Stress:
    """What is executed beside the shapes that every proof has."""

    runs: tuple[StressRun, ...]
    left_out: tuple[LeftOut, ...]


@functools.cache
def load_stress(path: Path = FILE) -> Stress:
    """What `stress.toml` asks for; entries of one family on the same card are one run.

    Raises:
        BadInput: the file is not understood whole.
    """
    document = read_toml(path, "what is executed under stress")
    expect(document, SCHEMA, where=path, hint="it belongs to another version of llamaproof")
    merged: dict[tuple[str, int | None], StressRun] = {}
    for table in document["run"]:
        run = _run(table, path)
        key = (run.family.name, run.multiprocessors)
        merged[key] = _joined(merged[key], run) if key in merged else run
    try:
        left_out = tuple(LeftOut(**table) for table in document["left_out"])
    except TypeError as error:
        raise BadInput(f"an entry of what is left out: {error}", where=path) from error
    return Stress(runs=tuple(merged.values()), left_out=left_out)


def _joined(one: StressRun, other: StressRun) -> StressRun:
    cells = tuple(sorted({*one.cells, *other.cells}))
    return replace(one, cells=cells, reasons=(*one.reasons, *other.reasons))


def _run(table: Mapping[str, Any], path: Path) -> StressRun:
    rest = dict(table)
    try:
        family = find_family(rest.pop("inputs"))
        multiprocessors, reason = rest.pop("multiprocessors", None), rest.pop("reason")
        axes = Axes(
            heads=heads_of(*rest.pop("head_sizes")),
            types=tuple(map(GgmlType.parse, rest.pop("types"))),
            types_v=tuple(map(GgmlType.parse, rest.pop("types_v", ()))),
            ratios=tuple(rest.pop("ratios")),
            n_tokens=tuple(rest.pop("tokens")),
            n_kv=tuple(rest.pop("n_kv")),
            n_streams=tuple(rest.pop("streams", (1,))),
            layout=rest.pop("layout", ""),
        )
    except KeyError as error:
        raise BadInput(f"a run under stress has no {error}: {dict(table)!r}", where=path) from error
    if rest or axes.layout not in LAYOUTS:
        raise BadInput(f"a run under stress is not understood: {dict(table)!r}", where=path)
    return StressRun(
        family=family,
        multiprocessors=multiprocessors,
        cells=tuple(sorted(map(family.fitted, cells_of([axes])))),
        reasons=(reason,),
    )
