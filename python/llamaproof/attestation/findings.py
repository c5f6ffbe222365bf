"""What a check of a wheel and its sidecars found, point by point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from llamaproof.kept_evidence import KeptEvidence
from llamaproof.reports.outcome import Outcome, worst

# What a finding is about, in the order in which they are told.
About = Literal["file", "provenance", "tests", "evidence", "metadata", "ssh signature", "sigstore"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One point that was checked, or could not be.

    Attributes:
        code: a stable name of what was found, such as `provenance.other-bytes`.
        words: for people, in one line.
    """

    about: About
    code: str
    outcome: Outcome
    words: str

    def json(self) -> dict[str, str]:
        return {
            "about": self.about,
            "code": self.code,
            "outcome": self.outcome.value,
            "words": self.words,
        }


@dataclass(frozen=True, kw_only=True)
class WheelCheck:
    """Everything that was found of one wheel.

    Attributes:
        wheel: its file name.
        sha256: of its bytes, in hex; empty where they could not be read.
        findings: in the order in which they are told.
        evidence: what was proved of it; None where there is none, or it is another wheel's.
    """

    wheel: str
    sha256: str
    findings: tuple[Finding, ...]
    evidence: KeptEvidence | None = None

    @property
    def outcome(self) -> Outcome:
        """The outcome that counts: the worst of all points."""
        return worst(finding.outcome for finding in self.findings)

    def json(self) -> dict[str, Any]:
        return {
            "wheel": self.wheel,
            "sha256": self.sha256,
            "outcome": self.outcome.value,
            "findings": [finding.json() for finding in self.findings],
        }


def holds(about: About, code: str, words: str) -> Finding:
    """A point that holds."""
    return Finding(about=about, code=code, outcome=Outcome.HOLDS, words=words)


def defect(about: About, code: str, words: str) -> Finding:
    """A point that is wrong."""
    return Finding(about=about, code=code, outcome=Outcome.DEFECT, words=words)


def unchecked(about: About, code: str, words: str) -> Finding:
    """A point that could not be decided."""
    return Finding(about=about, code=code, outcome=Outcome.NOT_CHECKED, words=words)


def noted(about: About, code: str, words: str) -> Finding:
    """A point that decides nothing, and that people should know."""
    return Finding(about=about, code=code, outcome=Outcome.NOTED, words=words)
