"""Emulation evidence for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llamaproof.attention.cell import Cell
from llamaproof.attention.error import MAX_NMSE, MAX_ROW_NMSE
from llamaproof.emulator.decode import LOGITS_NMSE_LIMIT, DecodedStep, ModelEvidence
from llamaproof.emulator.masked_work import MaskedWork
from llamaproof.emulator.results import CellResult, CellVerdict, EmulationEvidence
from llamaproof.reports.blocks import Table, Tone, Toned
from llamaproof.reports.printer import Printer

_TONES: dict[CellVerdict, Tone] = {
    CellVerdict.HOLDS: "good",
    CellVerdict.WRONG: "bad",
    CellVerdict.FINDINGS: "bad",
    CellVerdict.ABORTS: "bad",
    CellVerdict.FALLS_BACK: "mixed",
    CellVerdict.NOT_TAKEN: "dim",
    CellVerdict.NOT_CHECKED: "open",
}
_FINDINGS_SHOWN = 40
_SHAPE = ("heads", "K/V", "ratio", "tokens", "n_kv")
_FIGURES = (
    "NMSE",
    "worst row",
    "CPU's NMSE",
    "warp instr.",
    "mma",
    "mma used",
    "hidden",
    "MB read",
    "again",
)
_STEP = ("from", "tokens", "NMSE of logits", "same choice", "launches", "warp instr.", "s")


def print_evidence(evidence: EmulationEvidence, printer: Printer) -> None:
    """A line for each cell, then every finding, then the sum."""
    printer.table(
        Table(
            title=f"{evidence.target} executed for {evidence.gpu} (sm_{evidence.sm}) on "
            f"{evidence.inputs} inputs, against attention in float64",
            head=(*_SHAPE, "verdict", *_FIGURES),
            rows=[_row(*each, evidence.masked(each[0])) for each in evidence.results.items()],
            figures=_FIGURES,
        )
    )
    _print_findings(
        [f"{cell}: {text}" for cell, result in evidence.results.items() for text in _texts(result)],
        printer,
    )
    sums = ", ".join(
        f"{evidence.number_of(verdict)} {verdict.value}"
        for verdict in CellVerdict
        if evidence.number_of(verdict)
    )
    printer.line(f"{sums}; {evidence.seconds:.0f} s")
    better = sum(result.right_where_the_cpu_is_wrong for result in evidence.results.values())
    if better:
        printer.line(f"{better} right where ggml's CPU backend is wrong", tone="good")
    printer.line(
        f"NMSE may be at most {MAX_NMSE:g}, of a row (one head of one token) {MAX_ROW_NMSE:g}. "
        "CPU's: of ggml's CPU backend, which is no reference and may be wrong. mma used: "
        "multiply-adds whose row and column are not all zero. Hidden: tiles of which no token sees "
        "anything, and the share of them that is computed all the same. MB read: distinct 32-byte "
        "sectors of each block. Again: sectors that more than one block reads, over those that are "
        "read at all.",
        tone="dim",
    )


def print_model(evidence: ModelEvidence, printer: Printer) -> None:
    """A line for each step, then what the checker found, then the sum."""
    printer.table(
        Table(
            title=f"{evidence.model} through {evidence.target} on an emulated {evidence.gpu}",
            head=_STEP,
            rows=[_step_row(step) for step in evidence.steps],
            figures=_STEP,
        )
    )
    _print_findings(
        [
            line
            for step in evidence.steps
            for line in (
                *step.undefined_reads,
                *(str(finding) for launch in step.launches for finding in launch.findings),
            )
        ],
        printer,
    )
    printer.line(
        f"NMSE of the worst token, against the CPU with flash attention; at most "
        f"{LOGITS_NMSE_LIMIT:g}. The CPU without flash attention is "
        f"{evidence.cpu_without_flash:.2g} away from itself with it.",
        tone="dim",
    )


def _step_row(step: DecodedStep) -> tuple[str | Toned, ...]:
    return (
        str(step.position),
        str(step.n_tokens),
        Toned(f"{step.nmse:.2g}", "good" if step.nmse <= LOGITS_NMSE_LIMIT else "bad"),
        f"{step.same_choice}/{step.n_tokens}",
        str(len(step.launches)),
        f"{sum(launch.counts.warp_instructions for launch in step.launches):,}",
        f"{step.seconds:.1f}",
    )


def _row(cell: Cell, result: CellResult, masked: MaskedWork | None) -> tuple[str | Toned, ...]:
    types = f"{cell.types}, {cell.layout}" if cell.layout else cell.types
    streams = f" x {cell.n_streams}" if cell.n_streams > 1 else ""
    shape = (cell.heads, types, cell.ratio, f"{cell.n_tokens}{streams}", cell.n_kv)
    verdict = Toned(result.verdict.value, _TONES[result.verdict])
    return (*map(str, shape), verdict, *_figures(result, masked))


def _figures(result: CellResult, masked: MaskedWork | None) -> Iterable[str]:
    if not result.launches:
        return ["-"] * len(_FIGURES)
    macs = result.total("mma_macs")
    unique = result.total("sectors_read_unique")
    again = result.total("sectors_read_per_block") - unique
    hidden = ""
    if masked is not None and masked.hidden:
        hidden = f"{masked.hidden}/{masked.tiles}, {masked.worked_on:.0%}"
    return [
        f"{result.nmse:.2g}",
        f"{result.worst_row:.2g}",
        f"{result.cpu_nmse:.2g}",
        f"{result.total('warp_instructions'):,}",
        f"{result.total('mma_ops'):,}",
        f"{result.total('mma_macs_used') / macs:.0%}" if macs else "-",
        hidden or "-",
        f"{32e-6 * result.total('sectors_read_per_block'):.2f}",
        f"{again / unique:.2f}" if unique else "-",
    ]


def _print_findings(lines: Sequence[str], printer: Printer) -> None:
    for line in lines[:_FINDINGS_SHOWN]:
        printer.line(line, tone="bad")
    if len(lines) > _FINDINGS_SHOWN:
        printer.line(f"and {len(lines) - _FINDINGS_SHOWN} more (--json has all)", tone="bad")


def _texts(result: CellResult) -> Iterable[str]:
    if result.verdict in (CellVerdict.ABORTS, CellVerdict.NOT_CHECKED):
        yield f"{result.verdict.value}: {result.message}"
    if result.verdict is CellVerdict.WRONG:
        yield result.error_words
    yield from result.undefined_reads
    yield from (str(finding) for finding in result.findings)
