"""The evidence that lies beside a wheel, as whoever did not make it reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof.reports import document
from llamaproof.reports.document import Schema
from llamaproof.reports.outcome import Outcome

SCHEMA = Schema(name="llamaproof.evidence", version=3)
DATA_SUFFIX = ".evidence.json"
PAGE_SUFFIX = ".evidence.html"
HINT = "prove the wheel again: llamaproof prove"
# What stands before the proofs.
HEAD = ("wheel", "outcome", "demands")

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class KeptProof:
    """One proof.

    Attributes:
        proof_version: how much that proof could find when it was made; 0 before that was numbered.
        words: what it says, in one line.
    """

    name: str
    outcome: Outcome
    proof_version: int
    words: str


@dataclass(frozen=True, kw_only=True)
class KeptEvidence:
    """What was proved of a wheel, and what was not.

    Attributes:
        wheel: its file name.
        sha256: of the wheel file, in hex.
        outcome: of all proofs together.
        demands: what was asked of the wheel, as the document has it.
    """

    wheel: str
    sha256: str
    outcome: Outcome
    proofs: tuple[KeptProof, ...]
    demands: Mapping[str, Any]

    def proof(self, name: str) -> KeptProof | None:
        """The proof of this name; None where there is none."""
        return next((proof for proof in self.proofs if proof.name == name), None)


def beside(wheel: Path) -> Path:
    """Where the evidence of a wheel lies."""
    return wheel.with_name(wheel.name + DATA_SUFFIX)


def read_evidence(path: Path) -> KeptEvidence:
    """What an evidence document says.

    Raises:
        BadInput: it cannot be read, is damaged, or is of a version that is not known here.
    """
    return document.read(path, SCHEMA, parse, hint=HINT)


def parse(members: Mapping[str, Any]) -> KeptEvidence:
    """What the members of an evidence document say.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is damaged.
    """
    wheel = members["wheel"]
    if not _SHA256.fullmatch(wheel["sha256"]):
        raise ValueError(f"{wheel['sha256']!r} is no SHA-256")
    proofs = tuple(
        KeptProof(
            name=name,
            outcome=Outcome(proof["outcome"]),
            proof_version=int(proof.get("proof_version", 0)),
            words=str(proof["words"]),
        )
        for name, proof in members.items()
        # A document may come to hold more than proofs.
        if name not in HEAD and isinstance(proof, dict) and "outcome" in proof
    )
    if not proofs:
        raise ValueError("it holds no proof")
    return KeptEvidence(
        wheel=str(wheel["name"]),
        sha256=wheel["sha256"],
        outcome=Outcome(members["outcome"]),
        proofs=proofs,
        demands=dict(members["demands"]),
    )
