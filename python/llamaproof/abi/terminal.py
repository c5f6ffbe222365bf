"""An ABI result for people, and as a file for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from llamaproof.abi.findings import Finding, Level, Result
from llamaproof.files import write_whole
from llamaproof.reports.outcome import Outcome

_STYLES: dict[Level, str] = {"defect": "bold red", "unchecked": "bold yellow", "note": "dim"}
_NARROWEST = 120
_LONGEST_CELL = 240


def print_result(result: Result, console: Console, *, notes: bool, kernels: bool) -> None:
    """Print a result as a table; notes and the attention kernels only when asked for."""
    if console.width < _NARROWEST and not console.is_terminal:
        console.width = _NARROWEST
    counted = ", ".join(f"{number} {name}" for name, number in result.counts.items())
    console.print(f"[bold]{result.target}[/bold]: compared {counted}", highlight=False)
    shown = [f for f in result.findings if notes or f.level != "note"]
    if shown:
        console.print(_table(shown))
    for line in _facts(result.facts):
        console.print(line, highlight=False)
    if kernels:
        console.print(_kernel_table(result.facts.get("device_code", {}).get("attention", [])))
    hidden = len(result.findings) - len(shown)
    if hidden:
        console.print(f"{hidden} notes on harmless differences (shown with --notes)")
    console.print(_verdict(result))


def _facts(facts: Mapping[str, Any]) -> Iterator[str]:
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


def _kernel_table(attention: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("attention kernel", "sm", title="Stack holds arrays and spilled registers alike.")
    for name in ("registers", "static shared", "stack"):
        table.add_column(name, justify="right")
    for kernel in attention:
        figures = (kernel["registers"], kernel["shared_bytes"], kernel["stack_bytes"])
        table.add_row(kernel["kernel"], kernel["sm"], *map(str, figures))
    return table


def write_json(result: Result, path: Path) -> None:
    """Write the versioned document, whole or not at all."""
    write_whole(path, json.dumps(result.json(), indent=1, ensure_ascii=False) + "\n")


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(show_lines=True, expand=False)
    table.add_column("")
    table.add_column("where", overflow="fold")
    table.add_column("C, or what was promised", overflow="fold")
    table.add_column("Python, or what is there", overflow="fold")
    table.add_column("what goes wrong", overflow="fold")
    for finding in findings:
        table.add_row(
            Text(finding.level, style=_STYLES[finding.level]),
            Text(f"{finding.where}\n{finding.code}"),
            Text(_shortened(finding.expected)),
            Text(_shortened(finding.found)),
            Text(_shortened(finding.consequence)),
        )
    return table


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 4] + " ..."


def _verdict(result: Result) -> Text:
    return Text(_verdict_words(result), style=result.outcome.style)


def _verdict_words(result: Result) -> str:
    if result.outcome is Outcome.HOLDS:
        return "holds: no defect"
    if result.outcome is Outcome.DEFECT:
        number = len(result.defects)
        return f"{number} defect{'s' if number > 1 else ''}"
    why = "".join(f"; no {name} were found to compare" for name in result.empty)
    return f"could not be checked{why}"
