"""The result of each proof as an in-toto test result, bound to the evidence that says more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llamaproof.attestation.statement import Statement, Subject
from llamaproof.errors import DefectFound
from llamaproof.kept_evidence import KeptEvidence, KeptProof
from llamaproof.reports.document import Schema
from llamaproof.reports.outcome import Outcome
from llamaproof.signing import times

PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
# Of the file that holds the envelopes, one for each proof.
SCHEMA = Schema(name="llamaproof.tests", version=1)

# A proof that could not be made did not pass, and WARNED says of a test that it passed.
_RESULTS: Mapping[Outcome, str] = {
    Outcome.HOLDS: "PASSED",
    Outcome.DEFECT: "FAILED",
    Outcome.NOT_CHECKED: "FAILED",
}
# Vendors' own members of a predicate are named so.
_SIGNED_ON = "llamaproof_signedOn"
_OUTCOME = "llamaproof_outcome"


@dataclass(frozen=True, kw_only=True)
class ProofResult:
    """What a statement says of one proof.

    Attributes:
        proof: its name.
        result: `PASSED` or `FAILED`.
        outcome: in llamaproof's words.
        evidence: SHA-256 of the evidence's files, by file name.
    """

    proof: str
    result: str
    outcome: str
    evidence: Mapping[str, str]
    signed_on: datetime


def was_made(proof: KeptProof) -> bool:
    """Whether there is a result to state: a proof that was left out has none."""
    return proof.outcome in _RESULTS


def statements(
    subject: Subject, evidence: KeptEvidence, files: Mapping[str, str], signed_on: datetime
) -> tuple[Statement, ...]:
    """One statement for each proof that was made.

    Args:
        files: SHA-256 of the evidence's files, by file name.
    """
    return tuple(
        Statement(
            subject=subject,
            predicate_type=PREDICATE_TYPE,
            predicate=_predicate(proof, files, signed_on),
        )
        for proof in evidence.proofs
        if was_made(proof)
    )


def _predicate(proof: KeptProof, files: Mapping[str, str], signed_on: datetime) -> dict[str, Any]:
    passed = proof.outcome is Outcome.HOLDS
    return {
        "result": _RESULTS[proof.outcome],
        "configuration": [
            {"name": name, "digest": {"sha256": sha256}} for name, sha256 in files.items()
        ],
        "passedTests": [proof.name] if passed else [],
        "warnedTests": [],
        "failedTests": [] if passed else [proof.name],
        _OUTCOME: proof.outcome.value,
        _SIGNED_ON: times.to_text(signed_on),
    }


def read_result(statement: Statement, *, where: object) -> ProofResult:
    """What a statement says of one proof.

    Raises:
        DefectFound: it does not say that of one proof, or contradicts itself.
    """
    predicate = statement.predicate
    try:
        tests = [*predicate["passedTests"], *predicate["failedTests"]]
        if predicate["warnedTests"] or len(tests) != 1:
            raise ValueError("it is not about one proof")
        result, outcome = predicate["result"], Outcome(predicate[_OUTCOME])
        by_list = "PASSED" if predicate["passedTests"] else "FAILED"
        if not result == by_list == _RESULTS.get(outcome):
            raise ValueError("its result, its lists and its outcome disagree")
        return ProofResult(
            proof=str(tests[0]),
            result=result,
            outcome=outcome.value,
            evidence={
                str(one["name"]): str(one["digest"]["sha256"]) for one in predicate["configuration"]
            },
            signed_on=times.parse(predicate[_SIGNED_ON]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DefectFound(f"a test result is damaged: {error!r}", where=where) from error
