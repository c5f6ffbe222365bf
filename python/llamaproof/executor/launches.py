"""The launches that were executed: what the executor reports of each, read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from llamaproof.executor.counts import Counts
from llamaproof.executor.finding_kind import FindingKind
from llamaproof.executor.machine import KernelFinding


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
    findings: tuple[KernelFinding, ...]


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What the executor reported between two questions.

    Attributes:
        undefined_reads: what the host read although no kernel had written it, in words.
    """

    launches: tuple[ExecutedLaunch, ...] = ()
    undefined_reads: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[KernelFinding, ...]:
        """What the checker found, launch by launch."""
        return tuple(finding for launch in self.launches for finding in launch.findings)

    @property
    def is_clean(self) -> bool:
        """Whether no kernel did what it must not."""
        return not self.undefined_reads and not self.findings


def read_reports(reports: Iterable[Mapping[str, Any]]) -> Reported:
    """The executor's documents (`loaded.Executor.take_reports`), one for each launch or read."""
    documents = tuple(reports)
    return Reported(
        launches=tuple(_launch(document) for document in documents if "kernel" in document),
        undefined_reads=tuple(_read(document) for document in documents if "read" in document),
    )


def _launch(report: Mapping[str, Any]) -> ExecutedLaunch:
    return ExecutedLaunch(
        kernel=report["kernel"],
        grid=tuple(report["grid"]),
        block=tuple(report["block"]),
        dynamic_shared_bytes=report["dynamic_shared_bytes"],
        registers=report["registers"],
        ptx_sm=report["ptx_sm"],
        seconds=report["seconds"],
        counts=Counts(**report["counts"]),
        findings=tuple(_finding(report["kernel"], found) for found in report["findings"]),
    )


def _finding(kernel: str, found: Mapping[str, Any]) -> KernelFinding:
    return KernelFinding(
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


def _read(report: Mapping[str, Any]) -> str:
    return (
        f"{report['read'] or 'the host'} read {report['bytes']} bytes of which nothing had "
        f"written those from offset {report['offset']} on"
    )
