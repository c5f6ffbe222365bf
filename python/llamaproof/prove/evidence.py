"""The evidence of a wheel: every proof's section, bound to the wheel by its hash."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from llamaproof.dispatch import html
from llamaproof.files import write_whole
from llamaproof.prove.section import Section
from llamaproof.reports import blocks, document
from llamaproof.reports.blocks import Table, fragment
from llamaproof.reports.document import Schema
from llamaproof.reports.outcome import Outcome, worst

SCHEMA = Schema(name="llamaproof.evidence", version=3)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was proved of a wheel, and what was not.

    Attributes:
        wheel: its file name.
        sha256: of the wheel file.
    """

    wheel: str
    sha256: str
    sections: tuple[Section, ...]

    @property
    def outcome(self) -> Outcome:
        return worst(section.outcome for section in self.sections)

    def json(self) -> dict[str, Any]:
        """The versioned document: a member for each proof, by its name."""
        return SCHEMA.document(
            wheel={"name": self.wheel, "sha256": self.sha256},
            outcome=self.outcome.value,
            **{section.name: section.json() for section in self.sections},
        )

    def html(self) -> str:
        """One page that needs nothing else."""
        title = f"Evidence for {self.wheel}"
        summary = Table(
            head=("proof", "outcome", "what it says"),
            rows=[[s.title, s.outcome.value, s.words] for s in self.sections],
            tones=[s.outcome.tone for s in self.sections],
        )
        parts = [
            f"<p>sha256 <code>{self.sha256}</code>. In all: <b>{self.outcome.value}</b>.</p>",
            fragment([summary]),
            *(f"<h2>{escape(s.title)}</h2>\n{s.html}" for s in self.sections if s.html),
        ]
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f"<title>{escape(title)}</title><style>{blocks.STYLE}{html.STYLE}</style></head>"
            f"<body><h1>{escape(title)}</h1>\n{chr(10).join(parts)}\n</body></html>\n"
        )

    def write_beside(self, wheel: Path) -> tuple[Path, Path]:
        """Write WHEEL.evidence.json and WHEEL.evidence.html; each is there whole or not at all.

        Raises:
            LlamaproofError: one cannot be written.
        """
        data = wheel.with_name(wheel.name + ".evidence.json")
        shown = wheel.with_name(wheel.name + ".evidence.html")
        document.write(data, self.json())
        write_whole(shown, self.html())
        return data, shown
