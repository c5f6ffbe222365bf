"""Checking a wheel against what lies beside it: whole, of these bytes, and signed by whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llamaproof.attestation import sigstore_bundle
from llamaproof.attestation.check_evidence import evidence_findings, evidence_of, file_findings
from llamaproof.attestation.check_provenance import opened_provenance, provenance_findings
from llamaproof.attestation.check_statement import OpenedStatement
from llamaproof.attestation.check_tests import check_tests
from llamaproof.attestation.findings import Finding, WheelCheck, defect, holds, noted, unchecked
from llamaproof.attestation.provenance import Source
from llamaproof.attestation.sidecars import (
    METADATA_SUFFIX,
    SIGNATURE_SUFFIX,
    SIGSTORE_SUFFIX,
    beside,
    read_signed,
    require_plain_file,
)
from llamaproof.attestation.statement import Subject
from llamaproof.attestation.wheel_source import source_in
from llamaproof.errors import BadInput
from llamaproof.files import sha256_of
from llamaproof.signing import ssh_signature
from llamaproof.signing.trusted_keys import TrustedKeys
from llamaproof.wheel_archive.agreement import disagreements
from llamaproof.wheel_archive.members import members_of_wheel
from llamaproof.wheel_archive.words import read_words


def check_wheel(wheel: Path, trusted: TrustedKeys, *, expected_sha256: str = "") -> WheelCheck:
    """Check a wheel and everything that lies beside it; nothing of it is executed.

    Args:
        trusted: the keys whose signatures count; without any, who signed it is not known, and then
            nothing more than `could not be checked` comes of it.
        expected_sha256: what an index says of it, in hex; empty where nothing is said.

    Returns:
        Every point, each with its outcome; what cannot be read is one of them.
    """
    try:
        require_plain_file(wheel)
        subject = Subject(name=wheel.name, sha256=sha256_of(wheel))
    except (BadInput, OSError) as error:
        words = error.what if isinstance(error, BadInput) else f"it cannot be read: {error}"
        return WheelCheck(
            wheel=wheel.name, sha256="", findings=(unchecked("file", "file.unreadable", words),)
        )
    findings = list(_expected_findings(subject, expected_sha256))
    try:
        source = _archive_findings(wheel, findings)
    except BadInput as error:
        findings.append(defect("file", "file.damaged", error.what))
        return WheelCheck(wheel=wheel.name, sha256=subject.sha256, findings=tuple(findings))
    return _beside(wheel, subject, source, trusted, findings)


def _beside(
    wheel: Path,
    subject: Subject,
    source: Source | Finding | None,
    trusted: TrustedKeys,
    findings: list[Finding],
) -> WheelCheck:
    found = opened_provenance(wheel)
    if isinstance(found, Finding):
        findings.append(found)
    elif isinstance(source, Finding):
        findings.append(source)
    else:
        findings += provenance_findings(found, subject, source, trusted)
    tests = check_tests(wheel, subject, trusted)
    findings += tests.findings
    evidence = evidence_of(wheel)
    findings += file_findings(wheel, tests.results)
    if isinstance(evidence, Finding):
        findings.append(evidence)
    else:
        findings += evidence_findings(evidence, subject, tests.results)
    findings += _ssh_findings(wheel, trusted)
    findings += _sigstore_findings(wheel, found, trusted)
    of_this = not isinstance(evidence, Finding) and evidence.sha256 == subject.sha256
    return WheelCheck(
        wheel=wheel.name,
        sha256=subject.sha256,
        findings=tuple(findings),
        evidence=evidence if of_this and not isinstance(evidence, Finding) else None,
    )


def _expected_findings(subject: Subject, expected: str) -> Iterator[Finding]:
    if expected and expected.lower() != subject.sha256:
        words = f"its sha256 is {subject.sha256}, and {expected} was promised"
        yield defect("file", "file.wrong-hash", words)
    elif expected:
        yield holds("file", "file.hash", "its sha256 is the one that was promised")


def _archive_findings(wheel: Path, findings: list[Finding]) -> Source | Finding | None:
    """That the archive agrees with itself; returns what it says of its making."""
    with members_of_wheel(wheel) as members:
        words = read_words(members, wheel.name)
        found = list(disagreements(words, members))
        findings += (defect("file", one.code, f"{one} ({one.consequence})") for one in found)
        if not found:
            agree = "its name, METADATA, WHEEL, folder and RECORD agree"
            findings.append(holds("file", "file.agrees", agree))
        findings += _metadata_findings(wheel, words.metadata)
        try:
            return source_in(members, where=wheel)
        except BadInput as error:
            return unchecked("provenance", "provenance.unreadable-wheel", error.what)


def _metadata_findings(wheel: Path, metadata: bytes) -> Iterator[Finding]:
    path = beside(wheel, METADATA_SUFFIX)
    try:
        data = read_signed(path)
    except BadInput as error:
        yield unchecked("metadata", "metadata.unreadable", error.what)
        return
    if data is not None and data != metadata:
        words = f"{path.name} is not the METADATA of the wheel: pip reads it in its place"
        yield defect("metadata", "metadata.altered", words)


def _ssh_findings(wheel: Path, trusted: TrustedKeys) -> Iterator[Finding]:
    path = beside(wheel, SIGNATURE_SUFFIX)
    try:
        present = read_signed(path) is not None
    except BadInput as error:
        yield unchecked("ssh signature", "ssh-signature.unreadable", error.what)
        return
    if not present:
        yield noted("ssh signature", "ssh-signature.missing", f"there is no {path.name}")
    elif lacking := ssh_signature.lacking():
        yield noted("ssh signature", "ssh-signature.no-program", f"not checked here: {lacking}")
    elif trusted.keys:
        yield _ssh_finding(wheel, path, trusted)


def _ssh_finding(wheel: Path, signature: Path, trusted: TrustedKeys) -> Finding:
    key = ssh_signature.signer_of(wheel, signature, trusted)
    if key is None:
        words = "none of the keys given made this signature of these bytes"
        return defect("ssh signature", "ssh-signature.foreign-or-altered", words)
    # It bears no time of its own: only whether the key is revoked can be asked.
    refusal = key.refusal(None)
    if refusal:
        words = f"made by {key.public.key_id}: {refusal}"
        return defect("ssh signature", "ssh-signature.revoked-key", words)
    return holds("ssh signature", "ssh-signature.holds", f"made by {key.public.key_id}")


def _sigstore_findings(
    wheel: Path, found: OpenedStatement | Finding, trusted: TrustedKeys
) -> Iterator[Finding]:
    try:
        bundle = read_signed(beside(wheel, SIGSTORE_SUFFIX))
    except BadInput as error:
        yield unchecked("sigstore", "sigstore.unreadable", error.what)
        return
    if bundle is not None and isinstance(found, OpenedStatement):
        expected = [one.identity for one in trusted.identities]
        yield sigstore_bundle.check(bundle, found.signed.payload, expected)
