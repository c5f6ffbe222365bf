"""An ABI result for people, and as a file for machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from llamaproof.abi.findings import AbiFinding, Level, Result
from llamaproof.reports import document
from llamaproof.reports.blocks import Table, Tone, Toned
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.printer import Printer

_TONES: dict[Level, Tone] = {"defect": "worst", "unchecked": "open", "note": "dim"}


def print_result(result: Result, printer: Printer, *, notes: bool, kernels: bool) -> None:
    """Print a result as a table; notes and the attention kernels only when asked for."""
    counted = ", ".join(f"{number} {name}" for name, number in result.counts.items())
    printer.line(Toned(result.target, "strong"), f": compared {counted}")
    shown = [f for f in result.findings if notes or f.level != "note"]
    if shown:
        printer.table(findings_table(shown))
    for line in _facts(result.facts):
        printer.line(line)
    if kernels:
        printer.table(_kernel_table(result.facts.get("device_code", {}).get("attention", [])))
    hidden = len(result.findings) - len(shown)
    if hidden:
        printer.line(f"{hidden} notes on harmless differences (shown with --notes)")
    printer.line(_verdict(result), tone=result.outcome.tone)


def _facts(facts: Mapping[str, Any]) -> Iterator[str]:
    yield from _making(facts)
    unbound = facts.get("unbound_functions")
    if unbound:
        yield f"{len(unbound)} functions of the headers are bound by no module (see the JSON)"
    baseline = facts.get("baseline")
    if baseline:
        compared = sum(library["compared"] for library in baseline["libraries"].values())
        yield f"baseline {baseline['name']}: {compared} symbols compared"
    versions = facts.get("newest_symbol_versions")
    if versions:
        yield "newest symbol versions: " + ", ".join(f"{k} {v}" for k, v in versions.items())
    code = facts.get("device_code")
    if not code or not code["fatbins"]:
        return
    archs = ", ".join(f"{arch} in {number}" for arch, number in code["archs"].items())
    yield f"GPU code: {code['fatbins']} translation units, {code['kernels']} kernels; {archs}"
    attention = code["attention"]
    if attention:
        stacked = [kernel for kernel in attention if kernel["stack_bytes"]]
        most = max(attention, key=lambda kernel: kernel["registers"])
        yield (
            f"attention kernels: {len(attention)}, up to {most['registers']} registers; "
            f"{len(stacked)} with a stack, up to "
            f"{max((k['stack_bytes'] for k in stacked), default=0)} bytes (--kernels lists them)"
        )


def _making(facts: Mapping[str, Any]) -> Iterator[str]:
    """The compilers, of a wheel that names them."""
    words = facts.get("made_with", {})
    named = [words[name] for name in ("c++", "nvcc") if name in words]
    if named:
        yield "made with " + "; ".join(named)
    if isinstance(reason := facts.get("reproducible"), str):
        yield f"another build of it may give other bytes: {reason}"


def _kernel_table(attention: Sequence[Mapping[str, Any]]) -> Table:
    figures = ("registers", "static shared", "stack")
    return Table(
        title="The stack holds arrays and spilled registers alike.",
        head=("attention kernel", "sm", *figures),
        rows=[
            (k["kernel"], k["sm"], *map(str, (k["registers"], k["shared_bytes"], k["stack_bytes"])))
            for k in attention
        ],
        figures=figures,
    )


def write_json(result: Result, path: Path) -> None:
    """Write the versioned document, whole or not at all."""
    document.write(path, result.json())


def findings_table(findings: Sequence[AbiFinding]) -> Table:
    """A row for each finding."""
    return Table(
        head=(
            "finding",
            "where",
            "C, or what was promised",
            "Python, or what is there",
            "what goes wrong",
        ),
        rows=[
            (
                Toned(f"{finding.level} {finding.code}", _TONES[finding.level]),
                finding.where,
                finding.expected,
                finding.found,
                finding.consequence,
            )
            for finding in findings
        ],
    )


def _verdict(result: Result) -> str:
    if result.outcome is Outcome.HOLDS:
        return "holds: no defect"
    if result.outcome is Outcome.DEFECT:
        number = len(result.defects)
        return f"{number} defect{'s' if number > 1 else ''}"
    why = "".join(f"; no {name} were found to compare" for name in result.empty)
    return f"could not be checked{why}"
