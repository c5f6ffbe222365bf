"""What executing a target's kernels showed, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.attention.error import MAX_NMSE, MAX_ROW_NMSE
from llamaproof.attention.families import find_family
from llamaproof.emulator.masked_work import MaskedWork, masked_work
from llamaproof.executor.launches import ExecutedLaunch, read_reports
from llamaproof.executor.machine import KernelFinding
from llamaproof.reports.document import Schema
from llamaproof.reports.outcome import Outcome

SCHEMA = Schema(name="llamaproof.emulation", version=3)


class CellVerdict(str, Enum):
    """What a cell came to.

    `not taken`: a cache length that llama.cpp of this release never makes, and an assertion says.
    `could not be checked`: what was to compute it was lost, again and again.
    """

    HOLDS = "holds"
    WRONG = "wrong"
    FINDINGS = "findings"
    ABORTS = "aborts"
    FALLS_BACK = "falls back"
    NOT_TAKEN = "not taken"
    NOT_CHECKED = "could not be checked"


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """A cell on the emulated GPU, and on the CPU backend of the same libraries, against float64.

    Attributes:
        nmse: mean squared difference over mean square of the exact result.
        worst_row: the largest NMSE of one head of one token.
        largest_error: absolute; `where` is its token, head and column.
        not_finite: elements that are NaN or infinite.
        cpu_nmse: of the CPU backend's result. ggml's adds up V in f16 where V is f16, so that it
            overflows before a GPU does.
        undefined_reads: what the host read of the result although no kernel had written it.
        message: why it aborted, or could not be checked; empty otherwise.
    """

    verdict: CellVerdict
    nmse: float = 0.0
    worst_row: float = 0.0
    largest_error: float = 0.0
    where: tuple[int, int, int] = (0, 0, 0)
    not_finite: int = 0
    cpu_nmse: float = 0.0
    launches: tuple[ExecutedLaunch, ...] = ()
    undefined_reads: tuple[str, ...] = ()
    message: str = ""

    @property
    def right_where_the_cpu_is_wrong(self) -> bool:
        """The CPU backend is further from float64 than the GPU may be, and the GPU is not."""
        return self.verdict is CellVerdict.HOLDS and not self.cpu_nmse <= MAX_NMSE

    @property
    def findings(self) -> tuple[KernelFinding, ...]:
        return tuple(finding for launch in self.launches for finding in launch.findings)

    @property
    def error_words(self) -> str:
        """How wrong a result is, and where."""
        token, head, column = self.where
        unlike = f", {self.not_finite} elements not finite" if self.not_finite else ""
        return (
            f"NMSE {self.nmse:.3g}, of a row {self.worst_row:.3g}, largest error "
            f"{self.largest_error:.3g} at token {token}, head {head}, column {column}{unlike}"
        )

    def total(self, count: str) -> int:
        """One of the counts, summed over the launches."""
        return sum(int(getattr(launch.counts, count)) for launch in self.launches)


@dataclass(frozen=True, kw_only=True)
class EmulationEvidence:
    """A target's kernels, executed for one GPU.

    Attributes:
        inputs: the name of the family that the tensors were filled from.
    """

    target: str
    sha256: str | None
    gpu: str
    sm: int
    ggml_version: str
    kv_layout: str
    inputs: str
    seconds: float
    results: Mapping[Cell, CellResult]

    @property
    def outcome(self) -> Outcome:
        """A defect when a cell is wrong, aborts or has findings; falling back is none here."""
        found = {result.verdict for result in self.results.values()}
        if found & {CellVerdict.WRONG, CellVerdict.FINDINGS, CellVerdict.ABORTS}:
            return Outcome.DEFECT
        return Outcome.NOT_CHECKED if CellVerdict.NOT_CHECKED in found else Outcome.HOLDS

    def number_of(self, verdict: CellVerdict) -> int:
        return sum(result.verdict is verdict for result in self.results.values())

    def json(self) -> dict[str, Any]:
        """What this family of inputs showed, as plain values."""
        return {
            "inputs": self.inputs,
            "seconds": self.seconds,
            "cells": [
                {**_cell_json(cell, result), **self.masked_json(cell)}
                for cell, result in self.results.items()
            ],
        }

    def masked(self, cell: Cell) -> MaskedWork | None:
        """The work that a cell's kernel did for what the mask hides."""
        return masked_work(cell, find_family(self.inputs), self.results[cell].launches)

    def masked_json(self, cell: Cell) -> dict[str, Any]:
        """That work as plain values, where it is known."""
        work = self.masked(cell)
        return {} if work is None else {"masked_tiles": work.json()}


def emulation_json(runs: Sequence[EmulationEvidence]) -> dict[str, Any]:
    """The document of one target on one card, with one or more families of inputs."""
    first = runs[0]
    return SCHEMA.document(
        target=first.target,
        sha256=first.sha256,
        gpu=first.gpu,
        sm=first.sm,
        ggml_version=first.ggml_version,
        kv_layout=first.kv_layout,
        reference="float64",
        nmse_limit=MAX_NMSE,
        row_nmse_limit=MAX_ROW_NMSE,
        columns=list(rows.COLUMNS),
        runs=[run.json() for run in runs],
    )


# What ggml asserts of a cache length that is no multiple of its kernels' step.
_PADDING = "KV cache padding"


def result_of(answer: Mapping[str, Any] | None, abort_message: str = "") -> CellResult:
    """A worker's answer as a result."""
    if answer is None:
        return CellResult(verdict=CellVerdict.FALLS_BACK)
    if "died" in answer:
        verdict = CellVerdict.NOT_TAKEN if _PADDING in abort_message else CellVerdict.ABORTS
        return CellResult(verdict=verdict, message=abort_message)
    reported = read_reports(answer["reports"])
    nmse, worst_row = float(answer["nmse"]), float(answer["worst_row"])
    if not (nmse <= MAX_NMSE and worst_row <= MAX_ROW_NMSE):
        verdict = CellVerdict.WRONG
    else:
        verdict = CellVerdict.HOLDS if reported.is_clean else CellVerdict.FINDINGS
    token, head, column = answer["where"]
    return CellResult(
        verdict=verdict,
        nmse=nmse,
        worst_row=worst_row,
        largest_error=float(answer["largest_error"]),
        where=(token, head, column),
        not_finite=int(answer["not_finite"]),
        cpu_nmse=float(answer["cpu_nmse"]),
        launches=reported.launches,
        undefined_reads=reported.undefined_reads,
    )


def result_json(cell: Cell, result: CellResult) -> dict[str, Any]:
    """A cell and what it came to, its error among it, as plain values."""
    document: dict[str, Any] = {"cell": rows.to_row(cell), "verdict": result.verdict.value}
    if result.message:
        document["message"] = result.message
    if result.launches:
        document["nmse"] = result.nmse
        document["worst_row_nmse"] = result.worst_row
        document["cpu_nmse"] = result.cpu_nmse
        document["right_where_the_cpu_is_wrong"] = result.right_where_the_cpu_is_wrong
        document["largest_error"] = result.largest_error
        document["where"] = list(result.where)
        document["not_finite"] = result.not_finite
    return document


def _cell_json(cell: Cell, result: CellResult) -> dict[str, Any]:
    document = result_json(cell, result)
    if result.launches:
        document["undefined_reads"] = list(result.undefined_reads)
        document["launches"] = [_launch_json(launch) for launch in result.launches]
    return document


def _launch_json(launch: ExecutedLaunch) -> dict[str, Any]:
    document = asdict(launch)
    document["findings"] = [{**asdict(f), "kind": f.kind.words} for f in launch.findings]
    return document
