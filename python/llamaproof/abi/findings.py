"""What a check found: a finding says what C has, what Python has, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from llamaproof.reports.document import Schema
from llamaproof.reports.outcome import Outcome, worst

Level = Literal["defect", "unchecked", "note"]

SCHEMA = Schema(name="llamaproof.abi", version=2)

_OUTCOMES: dict[Level, Outcome] = {
    "defect": Outcome.DEFECT,
    "unchecked": Outcome.NOT_CHECKED,
    "note": Outcome.NOTED,
}


@dataclass(frozen=True, kw_only=True)
class AbiFinding:
    """One difference.

    Attributes:
        level: `defect` is wrong; `unchecked` could not be decided; `note` is harmless.
        code: stable name of the kind of difference, such as `struct.field-missing`.
        where: what it is about, such as `llama_opt_params.optimizer_type`.
        expected: what C, or the wheel's own word, has.
        found: what Python, or the binary, has.
        consequence: what goes wrong, in words.
    """

    level: Level
    code: str
    where: str
    expected: str
    found: str
    consequence: str


def defect(code: str, where: str, *, expected: str, found: str, consequence: str) -> AbiFinding:
    """A finding that is wrong."""
    return _finding("defect", code, where, expected, found, consequence)


def unchecked(code: str, where: str, *, expected: str, found: str, consequence: str) -> AbiFinding:
    """A finding that could not be decided."""
    return _finding("unchecked", code, where, expected, found, consequence)


def note(code: str, where: str, *, expected: str, found: str, consequence: str) -> AbiFinding:
    """A finding that is harmless."""
    return _finding("note", code, where, expected, found, consequence)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The outcome of an ABI check.

    Attributes:
        target: what was checked, as given.
        sha256: of the wheel; empty for folders.
        findings: worst first.
        counts: how many structs, fields, functions, ... were compared.
        facts: what was read beside: libraries, versions, kernels.
        required: counts that must not be zero for the check to mean anything.
    """

    target: str
    sha256: str
    findings: tuple[AbiFinding, ...]
    counts: dict[str, int]
    facts: dict[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    @property
    def defects(self) -> tuple[AbiFinding, ...]:
        return tuple(f for f in self.findings if f.level == "defect")

    @property
    def empty(self) -> tuple[str, ...]:
        """Names of the required counts that are zero."""
        return tuple(name for name in self.required if not self.counts.get(name))

    @property
    def outcome(self) -> Outcome:
        found = (_OUTCOMES[finding.level] for finding in self.findings)
        return worst((Outcome.NOT_CHECKED if self.empty else Outcome.HOLDS, *found))

    def __bool__(self) -> bool:
        return self.outcome is Outcome.HOLDS

    def json(self) -> dict[str, Any]:
        """The versioned document of the result."""
        return SCHEMA.document(
            target={"name": self.target, "sha256": self.sha256 or None},
            outcome=self.outcome.value,
            counts=self.counts,
            nothing_checked=list(self.empty),
            findings=[asdict(finding) for finding in self.findings],
            facts=self.facts,
        )


def sort_findings(findings: Iterable[AbiFinding]) -> tuple[AbiFinding, ...]:
    """Worst first; the order within a level stays."""
    order = list(_OUTCOMES)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.level)))


def _finding(
    level: Level, code: str, where: str, expected: str, found: str, consequence: str
) -> AbiFinding:
    return AbiFinding(
        level=level,
        code=code,
        where=where,
        expected=expected,
        found=found,
        consequence=consequence,
    )
