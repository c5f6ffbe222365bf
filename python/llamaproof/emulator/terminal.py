"""Emulation evidence for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table

from llamaproof.attention.cell import Cell
from llamaproof.attention.error import MAX_NMSE
from llamaproof.emulator.decode import LOGITS_NMSE_LIMIT, ModelEvidence
from llamaproof.emulator.results import CellResult, CellVerdict, EmulationEvidence

_STYLES = {
    CellVerdict.HOLDS: "green",
    CellVerdict.WRONG: "red",
    CellVerdict.FINDINGS: "red",
    CellVerdict.ABORTS: "red",
    CellVerdict.FALLS_BACK: "yellow",
    CellVerdict.NOT_TAKEN: "dim",
}
_FINDINGS_SHOWN = 40


def print_evidence(evidence: EmulationEvidence, console: Console) -> None:
    """A line for each cell, then every finding, then the sum."""
    title = f"{evidence.target} executed for {evidence.gpu} (sm_{evidence.sm}), against its CPU"
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for name in ("heads", "K/V", "ratio", "tokens", "n_kv", "verdict"):
        table.add_column(name, no_wrap=True)
    numbers = ("NMSE", "largest error", "warp instr.", "mma", "mma used", "MB read", "again")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for cell, result in evidence.results.items():
        table.add_row(*_row(cell, result))
    console.print(table)
    _print_findings(evidence, console)
    sums = ", ".join(
        f"{evidence.number_of(verdict)} {verdict.value}"
        for verdict in CellVerdict
        if evidence.number_of(verdict)
    )
    console.print(f"{sums}; {evidence.seconds:.0f} s")
    console.print(
        f"NMSE may be at most {MAX_NMSE:g}. mma used: multiply-adds whose row and column "
        "are not all zero. MB read: distinct 32-byte sectors of each block. Again: sectors that "
        "more than one block reads, over those that are read at all.",
        style="dim",
    )


def print_model(evidence: ModelEvidence, console: Console) -> None:
    """A line for each step, then what the checker found, then the sum."""
    title = f"{evidence.model} through {evidence.target} on an emulated {evidence.gpu}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for name in ("from", "tokens", "NMSE of logits", "same choice", "launches", "warp instr.", "s"):
        table.add_column(name, justify="right", no_wrap=True)
    for step in evidence.steps:
        style = "green" if step.nmse <= LOGITS_NMSE_LIMIT else "red"
        table.add_row(
            str(step.position),
            str(step.n_tokens),
            f"[{style}]{step.nmse:.2g}[/]",
            f"{step.same_choice}/{step.n_tokens}",
            str(len(step.launches)),
            f"{sum(x.counts.warp_instructions for x in step.launches):,}",
            f"{step.seconds:.1f}",
        )
    console.print(table)
    lines = [
        line
        for step in evidence.steps
        for line in (
            *step.undefined_reads,
            *(str(finding) for launch in step.launches for finding in launch.findings),
        )
    ]
    for line in lines[:_FINDINGS_SHOWN]:
        console.print(line, style="red", markup=False, highlight=False)
    if len(lines) > _FINDINGS_SHOWN:
        console.print(f"and {len(lines) - _FINDINGS_SHOWN} more", style="red")
    console.print(
        f"NMSE of the worst token, against the CPU with flash attention; at most "
        f"{LOGITS_NMSE_LIMIT:g}. The CPU without flash attention is "
        f"{evidence.cpu_without_flash:.2g} away from itself with it.",
        style="dim",
    )


def _row(cell: Cell, result: CellResult) -> Iterable[str]:
    style = _STYLES[result.verdict]
    shape = [
        str(cell.heads),
        cell.types,
        str(cell.ratio),
        str(cell.n_tokens),
        str(cell.n_kv),
        f"[{style}]{result.verdict.value}[/]",
    ]
    if not result.launches:
        return [*shape, *["-"] * 7]
    macs = result.total("mma_macs")
    unique = result.total("sectors_read_unique")
    again = result.total("sectors_read_per_block") - unique
    return [
        *shape,
        f"{result.nmse:.2g}",
        f"{result.largest_error:.2g}",
        f"{result.total('warp_instructions'):,}",
        f"{result.total('mma_ops'):,}",
        f"{result.total('mma_macs_used') / macs:.0%}" if macs else "-",
        f"{32e-6 * result.total('sectors_read_per_block'):.2f}",
        f"{again / unique:.2f}" if unique else "-",
    ]


def _print_findings(evidence: EmulationEvidence, console: Console) -> None:
    lines = [
        f"{cell}: {text}" for cell, result in evidence.results.items() for text in _texts(result)
    ]
    for line in lines[:_FINDINGS_SHOWN]:
        console.print(line, style="red", markup=False, highlight=False)
    if len(lines) > _FINDINGS_SHOWN:
        console.print(f"and {len(lines) - _FINDINGS_SHOWN} more (--json has all)", style="red")


def _texts(result: CellResult) -> Iterable[str]:
    if result.verdict is CellVerdict.ABORTS:
        yield f"aborts: {result.message}"
    if result.verdict is CellVerdict.WRONG:
        token, head, column = result.where
        yield (
            f"NMSE {result.nmse:.3g}, largest error {result.largest_error:.3g} at token {token}, "
            f"head {head}, column {column}"
            + (f", {result.not_finite} elements not finite" if result.not_finite else "")
        )
    yield from result.undefined_reads
    yield from (str(finding) for finding in result.findings)
