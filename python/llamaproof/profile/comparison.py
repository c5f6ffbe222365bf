"""Execute a recording's cells on the emulated card, and compare: results, launches, figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llamaproof import shadow
from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.attention.error import error_of
from llamaproof.attention.inputs import Floats
from llamaproof.errors import BadInput
from llamaproof.executor.launches import ExecutedLaunch, read_reports
from llamaproof.executor.library import default_library
from llamaproof.kernels.names import signature
from llamaproof.profile import recording
from llamaproof.profile.figures import (
    FIGURES,
    Compared,
    Figure,
    FigureOutcome,
    compare,
    figures_for,
)
from llamaproof.profile.ncu import Profiled
from llamaproof.profile.recording import ComputedCells, Recording
from llamaproof.reports.document import Schema
from llamaproof.reports.outcome import Outcome
from llamaproof.target import Target, open_target
from llamaproof.workers.stage import staged

SCHEMA = Schema(name="llamaproof.profile-comparison", version=2)

# Attention accumulates in f16, whose unit of rounding is 2^-11. The emulator adds the products of
# an mma in the order that ops_matrix.cpp states, the card in one that NVIDIA does not: results may
# part by one rounding of the accumulator, and by no more. ggml's own limit, for a CPU that works in
# another precision, is 2,000 times as wide.
OUTPUT_NMSE_LIMIT = 2.0**-22

# A kernel's line in an index: name, registers, four more figures, and 1 where they are estimates.
_ESTIMATED = re.compile(r"(?m)^kernel (\S+) (\d+) (\d+ \d+ \d+ \d+) 1\b")


@dataclass(frozen=True, kw_only=True)
class ComparedLaunch:
    """One launch on both machines."""

    cell: Cell
    kernel: str
    figures: tuple[Compared, ...]


@dataclass(frozen=True, kw_only=True)
class ComparedOutput:
    """A cell's result on both machines: of the difference, over that of the card's result.

    Attributes:
        nmse: mean squared difference over mean square of the card's result.
        largest: the largest difference; `identical`: the share of elements with the same bits.
    """

    cell: Cell
    nmse: float
    largest: float
    identical: float

    @property
    def holds(self) -> bool:
        return self.nmse <= OUTPUT_NMSE_LIMIT


@dataclass(frozen=True, kw_only=True)
class CardComparison:
    """The emulated card against the real one.

    Attributes:
        mismatches: launches that one of them made and the other did not, in words.
    """

    target: str
    device: str
    gpu: str
    outputs: tuple[ComparedOutput, ...]
    launches: tuple[ComparedLaunch, ...]
    mismatches: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """A defect when a launch, a result or a figure that is held to something differs."""
        bad = any(f.outcome is FigureOutcome.DIFFERS for x in self.launches for f in x.figures)
        differ = bad or bool(self.mismatches) or not all(x.holds for x in self.outputs)
        return Outcome.DEFECT if differ else Outcome.HOLDS

    def json(self) -> dict[str, Any]:
        """A document of plain values."""
        return SCHEMA.document(
            target=self.target,
            device=self.device,
            gpu=self.gpu,
            output_nmse_limit=OUTPUT_NMSE_LIMIT,
            mismatches=list(self.mismatches),
            columns=list(rows.COLUMNS),
            outputs=[
                {
                    "cell": rows.to_row(x.cell),
                    "nmse": x.nmse,
                    "largest": x.largest,
                    "identical": x.identical,
                }
                for x in self.outputs
            ],
            launches=[
                {
                    "cell": rows.to_row(x.cell),
                    "kernel": x.kernel,
                    "figures": [
                        {
                            "name": f.figure.name,
                            "rule": f.figure.rule.value,
                            "emulated": f.emulated,
                            "measured": f.measured,
                            "outcome": f.outcome.value,
                        }
                        for f in x.figures
                    ],
                }
                for x in self.launches
            ],
        )


def compare_with(
    target_spec: str,
    folder: Path,
    *,
    gpu_name: str | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> CardComparison:
    """Execute a recording's cells on the card it was made on, emulated, and compare.

    Raises:
        BadInput: no recording, one of other libraries or other data, or of an unknown card.
        LlamaproofError: the emulator cannot carry the target's kernels out.
    """
    recorded = recording.load(folder)
    gpu = shadow.find_gpu(gpu_name or recorded.device)
    with open_target(target_spec) as target:
        if recording.digests(target) != recorded.libraries:
            raise BadInput(
                "the recording was made with other libraries",
                where=folder,
                hint="compare with the target that it was made with, or make another",
            )
        computed = _emulate(target, gpu, recorded, on_progress)
    if tuple(computed.result["inputs"]) != recorded.inputs:
        raise BadInput(
            "the cells' data is not the same on both machines",
            where=folder,
            hint="make the recording with this version of llamaproof and the same numpy",
        )
    launches = [read_reports(reports).launches for reports in computed.result["reports"]]
    compared, mismatches = compare_launches(
        recorded.cells, launches, recorded.launches, figures_for(gpu)
    )
    return CardComparison(
        target=target.name,
        device=recorded.device,
        gpu=gpu.name,
        outputs=compare_outputs(recorded, computed.outputs),
        launches=compared,
        mismatches=mismatches,
    )


def compare_outputs(recorded: Recording, outputs: Sequence[Floats]) -> tuple[ComparedOutput, ...]:
    """Each cell's result, emulated, against the card's."""
    return tuple(
        _compare_output(cell, emulated, real)
        for cell, emulated, real in zip(recorded.cells, outputs, recorded.outputs, strict=True)
    )


def compare_launches(
    cells: Sequence[Cell],
    emulated: Sequence[Sequence[ExecutedLaunch]],
    recorded: Sequence[Profiled],
    figures: Sequence[Figure] = FIGURES,
) -> tuple[tuple[ComparedLaunch, ...], tuple[str, ...]]:
    """Launch by launch in order; where the order parts, in words, and nothing after it."""
    expected = [(cell, launch) for cell, own in zip(cells, emulated, strict=True) for launch in own]
    compared: list[ComparedLaunch] = []
    for (cell, launch), real in zip(expected, recorded, strict=False):
        if signature(launch.kernel) != signature(real.kernel):
            words = f"{cell}: the card launches {real.kernel}, the emulated one {launch.kernel}"
            return tuple(compared), (words,)
        judged = tuple(compare(figure, launch, real) for figure in figures)
        compared.append(ComparedLaunch(cell=cell, kernel=real.kernel, figures=judged))
    if len(expected) != len(recorded):
        words = f"the card makes {len(recorded)} launches, the emulated one {len(expected)}"
        return tuple(compared), (words,)
    return tuple(compared), ()


def _compare_output(cell: Cell, emulated: Floats, real: Floats) -> ComparedOutput:
    error = error_of(emulated, real)
    return ComparedOutput(
        cell=cell,
        nmse=error.nmse,
        largest=error.largest,
        identical=float(np.mean(emulated == real)),
    )


def _emulate(
    target: Target,
    gpu: shadow.Gpu,
    recorded: Recording,
    on_progress: Callable[[int], None] | None,
) -> ComputedCells:
    with staged(target, [gpu], executor=default_library()) as stage:
        take_registers(stage.session.file, recorded.launches)
        job = {
            **stage.job,
            "cells": [rows.to_row(cell) for cell in recorded.cells],
            "outputs": str(stage.folder / "outputs.npz"),
        }
        result = recording.WORKER.ask(
            job, stage.folder, about=target.name, env=stage.env, on_done=on_progress
        )
        return recording.ComputedCells.of(result, job)


def take_registers(session: Path, launches: Sequence[Profiled]) -> None:
    """Give the emulated card the registers that the real one was seen to use, where estimated.

    Host code makes grids from occupancy, and that follows from registers; of a kernel that the
    driver compiles from PTX, none but the driver knows them.

    Args:
        session: the session's file; its indexes (`llamaproof.shadow.index`) are copied beside it.
    """
    seen = {
        signature(x.kernel): int(x.metrics["launch__registers_per_thread"])
        for x in launches
        if "launch__registers_per_thread" in x.metrics
    }

    def changed(found: re.Match[str]) -> str:
        name, registers, between = found.groups()
        return f"kernel {name} {seen.get(signature(name), int(registers))} {between} 1"

    lines = session.read_text(encoding="utf-8").splitlines()
    for i, line in enumerate(lines):
        if line.startswith("index "):
            index = Path(line.removeprefix("index "))
            copied = session.with_name(f"index{i}.txt")
            text = index.read_text(encoding="utf-8")
            copied.write_text(_ESTIMATED.sub(changed, text), encoding="utf-8")
            lines[i] = f"index {copied}"
    session.write_text("\n".join(lines) + "\n", encoding="utf-8")
