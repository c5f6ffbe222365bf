"""The evidence beside a wheel, as far as a release looks into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof.index.model import CardAnswer, EvidenceSummary, ProofSummary
from llamaproof.kept_evidence import SCHEMA
from llamaproof.prove import numbers, placement
from llamaproof.prove.proof_versions import UNNUMBERED
from llamaproof.reports import document
from llamaproof.reports.outcome import Outcome

_HINT = "prove the wheel again: llamaproof prove"
_HEAD = ("wheel", "outcome", "demands")


@dataclass(frozen=True, kw_only=True)
class KeptProofs:
    """What the evidence of a wheel says.

    Attributes:
        wheel: file name of the wheel it is about.
        sha256: of that wheel, in hex.
        tool: the version of llamaproof that made it.
        demands: what was asked of the wheel, as the document has it.
        sections: each proof by its name.
    """

    wheel: str
    sha256: str
    tool: str
    demands: Mapping[str, Any]
    sections: Mapping[str, Mapping[str, Any]]

    def outcome_of(self, proof: str) -> Outcome:
        return Outcome(self.sections[proof]["outcome"])

    def version_of(self, proof: str) -> int:
        return int(self.sections[proof].get("proof_version", UNNUMBERED))

    @property
    def examined_cards(self) -> tuple[str, ...]:
        """The cards on which it was seen where attention runs."""
        return tuple(str(gpu["name"]) for gpu in self._of(placement.NAME).get("gpus", ()))

    @property
    def executed_cards(self) -> tuple[str, ...]:
        """The cards as which its kernels were executed, and held on all inputs."""
        held: dict[str, bool] = {}
        for one in self._of(numbers.NAME).get("executed", ()):
            if one["sha256"] == self.sha256:
                card = str(one["gpu"])
                held[card] = held.get(card, True) and one["outcome"] == Outcome.HOLDS.value
        return tuple(card for card, holds in held.items() if holds)

    @property
    def work_card(self) -> str:
        """The card whose counts of work were judged."""
        return str(self.demands["work"]["card"])

    @property
    def requirements(self) -> tuple[str, ...]:
        """What was required of where attention runs, and holds, as it was written."""
        found = self._of(placement.NAME).get("requirements", ())
        return tuple(str(one["requirement"]) for one in found if one["holds"])

    @property
    def compared_with(self) -> Mapping[str, Any]:
        """The target that no cell is worse than; empty where nothing was compared."""
        found: Mapping[str, Any] = self._of(placement.NAME).get("comparison", {}).get("against", {})
        return found

    def summary(self) -> EvidenceSummary:
        """What the pages of an index say of it."""
        outcomes = [self.outcome_of(name) for name in self.sections]
        compared = self.compared_with
        against = self.demands["against"]
        return EvidenceSummary(
            outcome=next(o for o in Outcome if o in outcomes).value,
            tool=self.tool,
            proofs=tuple(
                ProofSummary(
                    name=name,
                    proof_version=self.version_of(name),
                    outcome=section["outcome"],
                    words=section["words"],
                )
                for name, section in self.sections.items()
            ),
            against=(against["target"] if against else compared["name"]) if compared else "",
            required=self.requirements,
            cards=tuple(self._cards()),
        )

    def _cards(self) -> Iterator[CardAnswer]:
        document = self._of(placement.NAME)
        executed = self.executed_cards
        for gpu in document.get("gpus", ()):
            name = gpu["name"]
            yield CardAnswer(
                card=name,
                sm=gpu["sm"],
                numbers_proved=name in executed,
                models={
                    model["name"]: _in_words(model["cards"][name])
                    for model in document.get("models", ())
                    if name in model["cards"]
                },
            )

    def _of(self, proof: str) -> Mapping[str, Any]:
        """The whole of a proof; empty where it was not made."""
        return self.sections.get(proof, {}).get("proof") or {}


def read_proofs(path: Path) -> KeptProofs:
    """Read the evidence of a wheel.

    Raises:
        BadInput: it cannot be read, is damaged, or is of a version that is not known here.
    """

    def parse(tool: str, members: dict[str, Any]) -> KeptProofs:
        found = KeptProofs(
            wheel=str(members["wheel"]["name"]),
            sha256=str(members["wheel"]["sha256"]),
            tool=tool,
            demands=dict(members["demands"]),
            sections={name: dict(members[name]) for name in members if name not in _HEAD},
        )
        # What is damaged is to be found now, and not by whoever reads on.
        _ = found.summary(), found.work_card
        return found

    return document.read_as(path, SCHEMA, parse, hint=_HINT)


def _in_words(answer: Mapping[str, str]) -> str:
    where = answer["where"]
    return f"{answer['attention']} ({where})" if where else answer["attention"]
