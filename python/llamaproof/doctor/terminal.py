"""The doctor's page, for people and for machines."""

from __future__ import annotations

from typing import Any

from llamaproof.doctor.diagnosis import Diagnosis
from llamaproof.doctor.findings import DoctorFinding, Level
from llamaproof.model_run.header_report import header_json, print_header_report
from llamaproof.model_run.terminal import as_json, print_report
from llamaproof.reports.blocks import Table, Toned
from llamaproof.reports.document import Schema
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.printer import Printer

SCHEMA = Schema(name="llamaproof.doctor", version=3)

_MARKS: dict[Level, Toned] = {
    "fine": Toned("ok  ", "good"),
    "note": Toned("note", "mixed"),
    "unclear": Toned("?   ", "open"),
    "stops": Toned("STOP", "worst"),
}
_CALL = "Llama(model_path=..., n_gpu_layers=-1, flash_attn=True)"


def print_diagnosis(diagnosis: Diagnosis, printer: Printer) -> None:
    """Print the whole page."""
    printer.line(diagnosis.verdict, tone=diagnosis.outcome.tone)
    for finding in _remedies(diagnosis):
        printer.line(f"What helps: {finding.remedy}.")
    printer.line()
    printer.line(f"llama_cpp {diagnosis.version} ({diagnosis.target})")
    for finding in diagnosis.findings:
        printer.line(_MARKS[finding.level], f"  {_in_words(finding)}")
    if diagnosis.familiar:
        printer.table(_familiar_table(diagnosis))
    if diagnosis.report is not None:
        print_report(diagnosis.report, printer)
    if diagnosis.header is not None:
        print_header_report(diagnosis.header, printer)
    if diagnosis.outcome is Outcome.HOLDS:
        printer.line(f"Call it so: {_CALL}; its defaults use neither.")


def diagnosis_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The versioned document."""
    return SCHEMA.document(
        target={"name": diagnosis.target, "version": diagnosis.version},
        gpu=diagnosis.gpu,
        is_shadow=diagnosis.is_shadow,
        verdict=diagnosis.verdict,
        outcome=diagnosis.outcome.value,
        findings=[vars(finding) for finding in diagnosis.findings],
        familiar=[
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
        report=None if diagnosis.report is None else as_json(diagnosis.report),
        header=None if diagnosis.header is None else header_json(diagnosis.header),
    )


def _remedies(diagnosis: Diagnosis) -> list[DoctorFinding]:
    return [f for f in diagnosis.findings if f.level in ("stops", "unclear") and f.remedy]


def _in_words(finding: DoctorFinding) -> str:
    if finding.level == "note" and finding.remedy:
        return f"{finding.what} ({finding.remedy})"
    return finding.what


def _familiar_table(diagnosis: Diagnosis) -> Table:
    rows = []
    for result in diagnosis.familiar:
        bad = "; ".join(dict.fromkeys(outcome.text for outcome in result.failures))
        words = Toned(bad, "bad") if bad else Toned("runs on the GPU", "good")
        rows.append((result.model.name, result.model.shape, words))
    return Table(
        title=f"attention of familiar models on {diagnosis.gpu}",
        head=("model", "head sizes@ratio", "attention"),
        rows=rows,
    )
