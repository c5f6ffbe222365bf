"""What is printed of a wheel that was checked: a few lines, the worst of them last."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from llamaproof.attestation.findings import WheelCheck
from llamaproof.reports.blocks import Toned
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.printer import Printer

_LONGEST = 160
_WORDS = {
    Outcome.HOLDS: "holds",
    Outcome.DEFECT: "DEFECT",
    Outcome.NOT_CHECKED: "not checked",
    Outcome.NOTED: "note",
}


def print_name(wheel: str, printer: Printer) -> None:
    """Print which wheel is looked at, before it is."""
    printer.heading(_plain(wheel))


def print_check(check: WheelCheck, printer: Printer) -> None:
    """Print each point in a line, and what they come to."""
    if check.sha256:
        printer.line(f"sha256 {check.sha256}")
    for finding in check.findings:
        word = _WORDS[finding.outcome]
        start = Toned(f"{word:<12}", finding.outcome.tone)
        printer.line(start, f"{finding.about}: {_plain(finding.words)}")
    for name, words in _covered(check):
        printer.line(f"{'':<12}{name}: {_plain(words)}", tone="dim")
    printer.line(f"in all: {check.outcome.value}", tone=check.outcome.tone)


def _covered(check: WheelCheck) -> Iterator[tuple[str, str]]:
    """What each proof says that it covers; nothing where the evidence may be somebody else's."""
    wrong = any(
        finding.outcome is Outcome.DEFECT and finding.code != "evidence.defect"
        for finding in check.findings
        if finding.about in ("evidence", "tests")
    )
    if check.evidence is not None and not wrong:
        for proof in check.evidence.proofs:
            yield proof.name, textwrap.shorten(proof.words, _LONGEST, placeholder=" ...")


def _plain(text: str) -> str:
    """A text without what moves a terminal's cursor: whoever wrote a wheel could forge a line."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
