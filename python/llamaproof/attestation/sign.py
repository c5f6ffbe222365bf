"""Signing a wheel: the statements about it, and the signature of its bytes, beside it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from llamaproof.attestation import proof_results, provenance, sigstore_bundle
from llamaproof.attestation.sidecars import (
    LARGEST_EVIDENCE_BYTES,
    PROVENANCE_SUFFIX,
    SIGNATURE_SUFFIX,
    SIGSTORE_SUFFIX,
    TESTS_SUFFIX,
    beside,
    require_plain_file,
    write_all,
)
from llamaproof.attestation.statement import PAYLOAD_TYPE, Statement, Subject
from llamaproof.attestation.wheel_source import source_of
from llamaproof.errors import DefectFound
from llamaproof.files import sha256_of
from llamaproof.kept_evidence import DATA_SUFFIX, PAGE_SUFFIX, KeptEvidence, read_evidence
from llamaproof.reports.document import to_text
from llamaproof.signing import ssh_signature, times
from llamaproof.signing.envelope import sign
from llamaproof.signing.signing_key import SigningKey


def sign_wheel(
    wheel: Path,
    evidence: Path | None,
    key: SigningKey,
    *,
    signed_on: datetime | None = None,
    sigstore: bool = True,
) -> tuple[Path, ...]:
    """Sign a wheel and what was proved of it; write the sidecars, all or none.

    Beside the wheel come its provenance, a test result for each proof of the evidence, a signature
    by OpenSSH's program where that is installed, and a sigstore bundle where an OIDC identity is at
    hand.

    Args:
        evidence: the evidence document; None where there is none, and then no test results.
        signed_on: the time that the statements bear; now, by default.
        sigstore: whether to look for an identity.

    Raises:
        BadInput: the wheel or the evidence cannot be read.
        DefectFound: the evidence is of another wheel, or of other bytes.
        LlamaproofError: a sidecar cannot be written; none was changed then.
    """
    require_plain_file(wheel)
    moment = signed_on or times.now()
    subject = Subject(name=wheel.name, sha256=sha256_of(wheel))
    origin = provenance.statement(subject, source_of(wheel), moment)
    files = {beside(wheel, PROVENANCE_SUFFIX): _in_envelope(origin, key)}
    if evidence is not None:
        files[beside(wheel, TESTS_SUFFIX)] = _tests(wheel, subject, evidence, key, moment)
    if not ssh_signature.lacking():
        files[beside(wheel, SIGNATURE_SUFFIX)] = ssh_signature.sign_file(wheel, key)
    bundle = sigstore_bundle.sign(origin.payload()) if sigstore else None
    if bundle is not None:
        files[beside(wheel, SIGSTORE_SUFFIX)] = bundle
    return write_all(files)


def _tests(
    wheel: Path, subject: Subject, evidence: Path, key: SigningKey, moment: datetime
) -> bytes:
    require_plain_file(evidence, LARGEST_EVIDENCE_BYTES)
    kept = read_evidence(evidence)
    require_of_wheel(kept, subject, evidence)
    page = evidence.with_name(wheel.name + PAGE_SUFFIX)
    files = {wheel.name + DATA_SUFFIX: sha256_of(evidence)}
    if page.is_file():
        files[page.name] = sha256_of(page)
    found = proof_results.statements(subject, kept, files, moment)
    envelopes = [sign(one.payload(), PAYLOAD_TYPE, key) for one in found]
    return to_text(proof_results.SCHEMA.document(envelopes=envelopes)).encode()


def require_of_wheel(evidence: KeptEvidence, subject: Subject, where: Path) -> None:
    """See that evidence is that of a wheel, byte for byte.

    Raises:
        DefectFound: it is another's.
    """
    if (evidence.wheel, evidence.sha256) != (subject.name, subject.sha256):
        raise DefectFound(
            f"the evidence is of {evidence.wheel} with the sha256 {evidence.sha256}, and not of "
            "this wheel",
            where=where,
            hint="prove this wheel: llamaproof prove",
        )


def _in_envelope(statement: Statement, key: SigningKey) -> bytes:
    return to_text(sign(statement.payload(), PAYLOAD_TYPE, key)).encode()
