"""The evidence beside a wheel, as far as a release looks into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof.index.model import CardAnswer, EvidenceSummary, ProofSummary
from llamaproof.kept_evidence import HEAD, HINT, SCHEMA, KeptEvidence, parse
from llamaproof.prove import numbers, placement
from llamaproof.reports import document
from llamaproof.reports.outcome import Outcome, worst


@dataclass(frozen=True, kw_only=True)
class KeptProofs:
    """What the evidence of a wheel says, and each proof in full.

    Attributes:
        tool: the version of llamaproof that made it.
        documents: by its name, what each proof found; empty where it was not made.
    """

    evidence: KeptEvidence
    tool: str
    documents: Mapping[str, Mapping[str, Any]]

    @property
    def examined_cards(self) -> tuple[str, ...]:
        """The cards on which it was seen where attention runs."""
        return tuple(str(gpu["name"]) for gpu in self._found(placement.NAME).get("gpus", ()))

    @property
    def executed_cards(self) -> tuple[str, ...]:
        """The cards as which its kernels were executed, and held on all inputs."""
        held: dict[str, bool] = {}
        for one in self._found(numbers.NAME).get("executed", ()):
            if one["sha256"] == self.evidence.sha256:
                card = str(one["gpu"])
                held[card] = held.get(card, True) and one["outcome"] == Outcome.HOLDS.value
        return tuple(card for card, holds in held.items() if holds)

    @property
    def work_card(self) -> str:
        """The card whose counts of work were judged."""
        return str(self.evidence.demands["work"]["card"])

    @property
    def requirements(self) -> tuple[str, ...]:
        """What was required of where attention runs, and holds, as it was written."""
        found = self._found(placement.NAME).get("requirements", ())
        return tuple(str(one["requirement"]) for one in found if one["holds"])

    @property
    def compared_with(self) -> Mapping[str, Any]:
        """The target that no cell is worse than; empty where nothing was compared."""
        comparison = self._found(placement.NAME).get("comparison", {})
        found: Mapping[str, Any] = comparison.get("against", {})
        return found

    def summary(self) -> EvidenceSummary:
        """What the pages of an index say of it."""
        compared = self.compared_with
        against = self.evidence.demands["against"]
        return EvidenceSummary(
            outcome=worst(proof.outcome for proof in self.evidence.proofs).value,
            tool=self.tool,
            proofs=tuple(
                ProofSummary(
                    name=proof.name,
                    proof_version=proof.proof_version,
                    outcome=proof.outcome.value,
                    words=proof.words,
                )
                for proof in self.evidence.proofs
            ),
            against=(against["target"] if against else compared["name"]) if compared else "",
            required=self.requirements,
            cards=tuple(self._cards()),
        )

    def _cards(self) -> Iterator[CardAnswer]:
        document = self._found(placement.NAME)
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

    def _found(self, proof: str) -> Mapping[str, Any]:
        return self.documents.get(proof, {})


def read_proofs(path: Path) -> KeptProofs:
    """Read the evidence of a wheel.

    Raises:
        BadInput: it cannot be read, is damaged, or is of a version that is not known here.
    """

    def parse_all(tool: str, members: dict[str, Any]) -> KeptProofs:
        found = KeptProofs(
            evidence=parse(members),
            tool=tool,
            documents={
                name: dict(members[name].get("proof") or {}) for name in members if name not in HEAD
            },
        )
        # What is damaged is to be found now, and not by whoever reads on.
        _ = found.summary(), found.work_card
        return found

    return document.read_as(path, SCHEMA, parse_all, hint=HINT)


def _in_words(answer: Mapping[str, str]) -> str:
    where = answer["where"]
    return f"{answer['attention']} ({where})" if where else answer["attention"]
