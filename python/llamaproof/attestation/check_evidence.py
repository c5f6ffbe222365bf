"""Checking the evidence beside a wheel: of these bytes, signed, and what it says was proved."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from llamaproof import kept_evidence
from llamaproof.attestation.check_statement import subject_findings
from llamaproof.attestation.findings import Finding, defect, holds, noted, unchecked
from llamaproof.attestation.proof_results import ProofResult, was_made
from llamaproof.attestation.sidecars import (
    LARGEST_EVIDENCE_BYTES,
    beside,
    require_plain_file,
)
from llamaproof.attestation.statement import Subject
from llamaproof.errors import BadInput
from llamaproof.files import sha256_of
from llamaproof.kept_evidence import DATA_SUFFIX, PAGE_SUFFIX, KeptEvidence
from llamaproof.reports.outcome import Outcome, worst


def evidence_of(wheel: Path) -> KeptEvidence | Finding:
    """The evidence that lies beside a wheel, or why there is none to read."""
    path = kept_evidence.beside(wheel)
    if not os.path.lexists(path):
        return unchecked("evidence", "evidence.missing", f"there is no {path.name}")
    try:
        require_plain_file(path, LARGEST_EVIDENCE_BYTES)
        return kept_evidence.read_evidence(path)
    except BadInput as error:
        return unchecked("evidence", "evidence.unreadable", error.what)


def file_findings(wheel: Path, results: Mapping[str, ProofResult]) -> Iterator[Finding]:
    """That the files of the evidence are those that the signed results name."""
    for suffix in (DATA_SUFFIX, PAGE_SUFFIX):
        path = beside(wheel, suffix)
        if not path.is_file() or path.is_symlink():
            continue
        signed = {result.evidence.get(path.name, "") for result in results.values()}
        if signed - {"", sha256_of(path)}:
            words = f"{path.name} is not the file that the signed results name: it was changed"
            yield defect("evidence", "evidence.altered", words)
        elif "" in signed or not signed:
            words = f"{path.name} is not among what is signed"
            found = unchecked if suffix == DATA_SUFFIX else noted
            yield found("evidence", "evidence.unsigned", words)


def evidence_findings(
    evidence: KeptEvidence, wheel: Subject, results: Mapping[str, ProofResult]
) -> Iterator[Finding]:
    """That it is of these bytes and says what the signed results say; and what it says."""
    subject = Subject(name=evidence.wheel, sha256=evidence.sha256)
    wrong = list(subject_findings(subject, wheel, "evidence"))
    if wrong:
        yield from wrong
        return
    if evidence.outcome is not worst(proof.outcome for proof in evidence.proofs):
        words = f"in all it says {evidence.outcome.value!r}, and that is not what its proofs say"
        yield defect("evidence", "evidence.contradicts", words)
    if results:
        yield from _result_findings(evidence, results)
    yield _outcome_finding(evidence)


def _result_findings(
    evidence: KeptEvidence, results: Mapping[str, ProofResult]
) -> Iterator[Finding]:
    """That each proof that was made has its signed result, and no other has one."""
    made = {proof.name: proof.outcome.value for proof in evidence.proofs if was_made(proof)}
    signed = {name: result.outcome for name, result in results.items()}
    for name in sorted(made.keys() | signed.keys()):
        if name not in signed:
            words = f"the signed result of the proof {name} is missing"
            yield defect("tests", "tests.missing-proof", words)
        elif signed[name] != made.get(name):
            words = (
                f"the signed result of {name} is {signed[name]!r}, and the evidence says "
                f"{made.get(name, 'nothing of it')!r}"
            )
            yield defect("tests", "tests.contradicts", words)


def _outcome_finding(evidence: KeptEvidence) -> Finding:
    by_outcome = "; ".join(
        f"{outcome.value}: {', '.join(names)}"
        for outcome in Outcome
        if (names := [proof.name for proof in evidence.proofs if proof.outcome is outcome])
    )
    profile = evidence.demands.get("profile", "not named")
    words = f"{by_outcome} (demands: {profile})"
    if evidence.outcome is Outcome.HOLDS:
        return holds("evidence", "evidence.holds", words)
    if evidence.outcome is Outcome.DEFECT:
        return defect("evidence", "evidence.defect", words)
    return unchecked("evidence", "evidence.nothing-decided", words)
