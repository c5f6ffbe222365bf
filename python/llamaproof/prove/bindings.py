"""The proof that the bindings match the binary, as a section of the evidence."""

from __future__ import annotations

from llamaproof.abi.findings import Result
from llamaproof.abi.terminal import findings_table
from llamaproof.prove.section import Section
from llamaproof.reports.blocks import Block, Paragraph

NAME = "abi"
TITLE = "The bindings match the binary"


def bindings_section(result: Result) -> Section:
    """What the ABI check found."""
    compared = ", ".join(f"{number} {name}" for name, number in result.counts.items())
    numbers = {
        level: sum(finding.level == level for finding in result.findings)
        for level in ("defect", "unchecked", "note")
    }
    words = f"{compared} compared: {numbers['defect']} defects"
    if numbers["unchecked"]:
        words += f", {numbers['unchecked']} points that could not be decided"
    words += "".join(f"; no {name} were found to compare" for name in result.empty)
    blocks: list[Block] = [Paragraph(text="No difference was found.")]
    if result.findings:
        blocks = [findings_table(result.findings)]
    return Section(
        name=NAME,
        title=TITLE,
        outcome=result.outcome,
        words=words,
        document=result.json(),
        blocks=tuple(blocks),
    )
