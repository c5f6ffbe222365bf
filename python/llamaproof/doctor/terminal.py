"""The doctor's page, for people and for machines."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from llamaproof.doctor.diagnosis import Diagnosis
from llamaproof.doctor.findings import Finding, Level
from llamaproof.model_run.header_report import header_json, print_header_report
from llamaproof.model_run.terminal import as_json, print_report
from llamaproof.reports.outcome import Outcome

SCHEMA = "llamaproof.doctor/2"

_MARKS: dict[Level, tuple[str, str]] = {
    "fine": ("ok", "green"),
    "note": ("note", "yellow"),
    "unclear": ("?", "bold yellow"),
    "stops": ("STOP", "bold red"),
}
_NARROWEST = 120
_CALL = "Llama(model_path=..., n_gpu_layers=-1, flash_attn=True)"


def print_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Print the whole page."""
    if console.width < _NARROWEST and not console.is_terminal:
        console.width = _NARROWEST
    console.print(Text(diagnosis.verdict, style=diagnosis.outcome.style))
    for finding in _remedies(diagnosis):
        console.print(Text(f"What helps: {finding.remedy}."))
    console.print(
        f"\nllama_cpp {diagnosis.version} ({diagnosis.target})", highlight=False, markup=False
    )
    console.print(_table(diagnosis))
    if diagnosis.familiar:
        console.print(_familiar_table(diagnosis))
    if diagnosis.report is not None:
        print_report(diagnosis.report, console)
    if diagnosis.header is not None:
        print_header_report(diagnosis.header, console)
    if diagnosis.outcome is Outcome.HOLDS:
        console.print(f"Call it so: {_CALL}; its defaults use neither.", highlight=False)


def diagnosis_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The versioned document."""
    return {
        "schema": SCHEMA,
        "target": diagnosis.target,
        "version": diagnosis.version,
        "gpu": diagnosis.gpu,
        "is_shadow": diagnosis.is_shadow,
        "verdict": diagnosis.verdict,
        "outcome": diagnosis.outcome.value,
        "findings": [vars(finding) for finding in diagnosis.findings],
        "familiar": [
            {
                "name": result.model.name,
                "config": result.model.config,
                "layers": [
                    {"heads": str(layer.heads), "ratio": layer.gqa_ratio}
                    for layer in result.model.layers
                ],
                "failures": [outcome.text for outcome in result.failures],
            }
            for result in diagnosis.familiar
        ],
        "report": None if diagnosis.report is None else as_json(diagnosis.report),
        "header": None if diagnosis.header is None else header_json(diagnosis.header),
    }


def _remedies(diagnosis: Diagnosis) -> list[Finding]:
    return [f for f in diagnosis.findings if f.level in ("stops", "unclear") and f.remedy]


def _table(diagnosis: Diagnosis) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 1))
    table.add_column()
    table.add_column(overflow="fold")
    for finding in diagnosis.findings:
        mark, style = _MARKS[finding.level]
        words = finding.what
        if finding.level == "note" and finding.remedy:
            words = f"{words} ({finding.remedy})"
        table.add_row(Text(mark, style=style), Text(words))
    return table


def _familiar_table(diagnosis: Diagnosis) -> Table:
    table = Table(title=f"attention of familiar models on {diagnosis.gpu}", title_justify="left")
    table.add_column("model")
    table.add_column("head sizes@ratio")
    table.add_column("attention", overflow="fold")
    for result in diagnosis.familiar:
        bad = "; ".join(dict.fromkeys(outcome.text for outcome in result.failures))
        words = Text(bad, style="red") if bad else Text("runs on the GPU", style="green")
        table.add_row(result.model.name, result.model.shape, words)
    return table
