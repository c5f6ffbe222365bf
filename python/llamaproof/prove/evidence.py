"""The evidence of a wheel: every proof's section, bound to the wheel by its hash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof.files import write_whole
from llamaproof.kept_evidence import DATA_SUFFIX, PAGE_SUFFIX, SCHEMA
from llamaproof.prove.demands import Demands
from llamaproof.prove.section import Section
from llamaproof.reports import document
from llamaproof.reports.blocks import Block, Heading, Paragraph, Table, as_section
from llamaproof.reports.outcome import Outcome, worst
from llamaproof.reports.pages import to_html


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was proved of a wheel, and what was not.

    Attributes:
        wheel: its file name.
        sha256: of the wheel file.
        demands: what was asked of it.
    """

    wheel: str
    sha256: str
    demands: Demands
    sections: tuple[Section, ...]

    @property
    def outcome(self) -> Outcome:
        return worst(section.outcome for section in self.sections)

    def json(self) -> dict[str, Any]:
        """The versioned document: a member for each proof, by its name."""
        return SCHEMA.document(
            wheel={"name": self.wheel, "sha256": self.sha256},
            outcome=self.outcome.value,
            demands=self.demands.json(),
            **{section.name: section.json() for section in self.sections},
        )

    def blocks(self) -> Iterator[Block]:
        """The page: what a user asks first, then each proof in a line, then each in full."""
        yield Heading(text=f"Evidence for {self.wheel}", level=1)
        yield Paragraph(text=f"sha256 {self.sha256}. In all: {self.outcome.value}.")
        for section in self.sections:
            yield from section.answer
        yield Heading(text="What was proved")
        yield Table(
            head=("proof", "outcome", "what it says"),
            rows=[(s.title, s.outcome.value, s.words) for s in self.sections],
            tones=[s.outcome.tone for s in self.sections],
        )
        yield Heading(text="What was demanded")
        yield Paragraph(text=f"By the demands for {self.demands.profile}: {self.demands.reason}")
        yield Table(head=("demand", "what", "why"), rows=list(self.demands.rows()))
        for section in self.sections:
            if section.blocks:
                yield from as_section(section.title, section.blocks)

    def write_beside(self, wheel: Path) -> tuple[Path, Path]:
        """Write WHEEL.evidence.json and WHEEL.evidence.html; each is there whole or not at all.

        Raises:
            LlamaproofError: one cannot be written.
        """
        data = wheel.with_name(wheel.name + DATA_SUFFIX)
        shown = wheel.with_name(wheel.name + PAGE_SUFFIX)
        document.write(data, self.json())
        write_whole(shown, to_html(list(self.blocks())))
        return data, shown
