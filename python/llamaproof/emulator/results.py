"""What executing a target's kernels showed, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.executor.machine import Counts, Finding, FindingKind
from llamaproof.reports.outcome import Outcome

SCHEMA = "llamaproof.emulation"
SCHEMA_VERSION = 1

# ggml's own limit for flash attention against the CPU (test-backend-ops.cpp, max_nmse_err).
NMSE_LIMIT = 5e-4


class Verdict(str, Enum):
    """What a cell came to.

    `not taken`: a cache length that llama.cpp of this release never makes, and an assertion says.
    """

    HOLDS = "holds"
    WRONG = "wrong"
    FINDINGS = "findings"
    ABORTS = "aborts"
    FALLS_BACK = "falls back"
    NOT_TAKEN = "not taken"


@dataclass(frozen=True, kw_only=True)
class ExecutedLaunch:
    """One kernel that was executed: its place in the grid, its work, what the checker found."""

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    dynamic_shared_bytes: int
    registers: int
    ptx_sm: int
    seconds: float
    counts: Counts
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """A cell on the emulated GPU against the CPU backend of the same libraries.

    Attributes:
        nmse: mean squared difference over mean square of the CPU's result.
        largest_error: absolute; `where` is its token, head and column.
        not_finite: elements that are NaN or infinite.
        undefined_reads: what the host read of the result although no kernel had written it.
        message: why it aborted; empty otherwise.
    """

    verdict: Verdict
    nmse: float = 0.0
    largest_error: float = 0.0
    where: tuple[int, int, int] = (0, 0, 0)
    not_finite: int = 0
    launches: tuple[ExecutedLaunch, ...] = ()
    undefined_reads: tuple[str, ...] = ()
    message: str = ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for launch in self.launches for finding in launch.findings)

    def total(self, count: str) -> int:
        """One of the counts, summed over the launches."""
        return sum(int(getattr(launch.counts, count)) for launch in self.launches)


@dataclass(frozen=True, kw_only=True)
class EmulationEvidence:
    """A target's kernels, executed for one GPU."""

    target: str
    sha256: str | None
    gpu: str
    sm: int
    ggml_version: str
    kv_layout: str
    seconds: float
    results: Mapping[Cell, CellResult]

    @property
    def outcome(self) -> Outcome:
        """A defect when a cell is wrong, aborts or has findings; falling back is none here."""
        bad = {Verdict.WRONG, Verdict.FINDINGS, Verdict.ABORTS}
        is_bad = any(result.verdict in bad for result in self.results.values())
        return Outcome.DEFECT if is_bad else Outcome.HOLDS

    def number_of(self, verdict: Verdict) -> int:
        return sum(result.verdict is verdict for result in self.results.values())

    def json(self) -> dict[str, Any]:
        """A document of plain values."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "target": self.target,
            "sha256": self.sha256,
            "gpu": self.gpu,
            "sm": self.sm,
            "ggml_version": self.ggml_version,
            "kv_layout": self.kv_layout,
            "nmse_limit": NMSE_LIMIT,
            "seconds": self.seconds,
            "columns": list(rows.COLUMNS),
            "cells": [_cell_json(cell, result) for cell, result in self.results.items()],
        }


# What ggml asserts of a cache length that is no multiple of its kernels' step.
_PADDING = "KV cache padding"


def result_of(answer: Mapping[str, Any] | None, abort_message: str = "") -> CellResult:
    """A worker's answer as a result."""
    if answer is None:
        return CellResult(verdict=Verdict.FALLS_BACK)
    if "died" in answer:
        verdict = Verdict.NOT_TAKEN if _PADDING in abort_message else Verdict.ABORTS
        return CellResult(verdict=verdict, message=abort_message)
    launches = tuple(launch_of(r) for r in answer["reports"] if "kernel" in r)
    reads = tuple(read_of(r) for r in answer["reports"] if "read" in r)
    nmse, not_finite = float(answer["nmse"]), int(answer["not_finite"])
    wrong = not nmse <= NMSE_LIMIT or not_finite > 0
    found = bool(reads) or any(launch.findings for launch in launches)
    token, head, column = answer["where"]
    return CellResult(
        verdict=Verdict.WRONG if wrong else Verdict.FINDINGS if found else Verdict.HOLDS,
        nmse=nmse,
        largest_error=float(answer["largest_error"]),
        where=(token, head, column),
        not_finite=not_finite,
        launches=launches,
        undefined_reads=reads,
    )


def launch_of(report: Mapping[str, Any]) -> ExecutedLaunch:
    """What the emulator reported of one launch."""
    return ExecutedLaunch(
        kernel=report["kernel"],
        grid=tuple(report["grid"]),
        block=tuple(report["block"]),
        dynamic_shared_bytes=report["dynamic_shared_bytes"],
        registers=report["registers"],
        ptx_sm=report["ptx_sm"],
        seconds=report["seconds"],
        counts=Counts(**report["counts"]),
        findings=tuple(_finding(report["kernel"], f) for f in report["findings"]),
    )


def _finding(kernel: str, found: Mapping[str, Any]) -> Finding:
    return Finding(
        kind=FindingKind(found["kind"]),
        kernel=kernel,
        line=found["line"],
        instruction=found["instruction"],
        block=tuple(found["block"]),
        thread=tuple(found["thread"]),
        address=found["address"],
        count=found["count"],
        detail=found["detail"],
    )


def read_of(report: Mapping[str, Any]) -> str:
    """What it reported of a read of undefined memory, in words."""
    return (
        f"{report['read'] or 'the host'} read {report['bytes']} bytes of which nothing had "
        f"written those from offset {report['offset']} on"
    )


def _cell_json(cell: Cell, result: CellResult) -> dict[str, Any]:
    document: dict[str, Any] = {"cell": rows.to_row(cell), "verdict": result.verdict.value}
    if result.message:
        document["message"] = result.message
    if result.launches:
        # JSON has no infinity: an error that is not finite is told by not_finite.
        document["nmse"] = result.nmse if result.not_finite == 0 else None
        document["largest_error"] = result.largest_error if result.not_finite == 0 else None
        document["where"] = list(result.where)
        document["not_finite"] = result.not_finite
        document["undefined_reads"] = list(result.undefined_reads)
        document["launches"] = [_launch_json(launch) for launch in result.launches]
    return document


def _launch_json(launch: ExecutedLaunch) -> dict[str, Any]:
    document = asdict(launch)
    document["findings"] = [{**asdict(f), "kind": f.kind.words} for f in launch.findings]
    return document
