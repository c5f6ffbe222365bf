"""Checking the signed results of the proofs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from llamaproof.attestation import proof_results
from llamaproof.attestation.check_statement import (
    open_statement,
    signature_findings,
    signed_json,
    subject_findings,
)
from llamaproof.attestation.findings import Finding, defect, holds, unchecked
from llamaproof.attestation.proof_results import PREDICATE_TYPE, SCHEMA, ProofResult
from llamaproof.attestation.sidecars import TESTS_SUFFIX, beside
from llamaproof.attestation.statement import Subject
from llamaproof.errors import BadInput, DefectFound
from llamaproof.reports.document import expect
from llamaproof.reports.outcome import Outcome
from llamaproof.signing.trusted_keys import TrustedKeys


@dataclass(frozen=True, kw_only=True)
class SignedResults:
    """The results of a wheel's proofs, as far as they are signed.

    Attributes:
        results: those about this wheel, by the name of the proof; who signed them is among the
            findings.
    """

    results: Mapping[str, ProofResult]
    findings: tuple[Finding, ...]


def check_tests(wheel: Path, subject: Subject, trusted: TrustedKeys) -> SignedResults:
    """Read and check WHEEL.tests.json."""
    path = beside(wheel, TESTS_SUFFIX)
    envelopes = _envelopes(wheel, path)
    if isinstance(envelopes, Finding):
        return SignedResults(results={}, findings=(envelopes,))
    results: dict[str, ProofResult] = {}
    findings: list[Finding] = []
    for members in envelopes:
        result = _result(members, path, subject, trusted, findings)
        if result is None:
            continue
        if result.proof in results:
            words = f"there are two results of the proof {result.proof}"
            findings.append(defect("tests", "tests.twice", words))
        results[result.proof] = result
    return SignedResults(results=results, findings=tuple(_summed_up(results, findings)))


def _envelopes(wheel: Path, path: Path) -> list[object] | Finding:
    document = signed_json(wheel, TESTS_SUFFIX, "tests")
    if isinstance(document, Finding):
        return document
    try:
        expect(document, SCHEMA, where=path, hint="")
    except BadInput as error:
        return unchecked("tests", "tests.unreadable", error.what)
    envelopes = document.get("envelopes") if isinstance(document, dict) else None
    if not isinstance(envelopes, list):
        return defect("tests", "tests.damaged", f"{path.name} holds no envelopes")
    return envelopes


def _result(
    members: object,
    path: Path,
    subject: Subject,
    trusted: TrustedKeys,
    findings: list[Finding],
) -> ProofResult | None:
    """One result; None where it is not to be counted, and the findings say why."""
    found = open_statement(members, "tests", PREDICATE_TYPE, where=path)
    if isinstance(found, Finding):
        findings.append(found)
        return None
    wrong = list(subject_findings(found.statement.subject, subject, "tests"))
    try:
        result = proof_results.read_result(found.statement, where=path)
    except DefectFound as error:
        findings += [*wrong, defect("tests", "tests.damaged", error.what)]
        return None
    findings += wrong
    findings += signature_findings(found.signed, result.signed_on, trusted, "tests")
    return None if wrong else result


def _summed_up(results: Mapping[str, ProofResult], findings: list[Finding]) -> Iterator[Finding]:
    """Each thing said once; those that hold in one line."""
    good = [finding for finding in findings if finding.outcome is Outcome.HOLDS]
    if good:
        who = ", ".join(dict.fromkeys(finding.words for finding in good))
        yield holds("tests", "tests.signed", f"results of {', '.join(results)}: {who}")
    yield from dict.fromkeys(f for f in findings if f.outcome is not Outcome.HOLDS)
