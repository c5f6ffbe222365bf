"""Checking the provenance beside a wheel: signed, about these bytes, and what the wheel says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llamaproof.attestation import provenance
from llamaproof.attestation.check_statement import (
    OpenedStatement,
    open_statement,
    signature_findings,
    signed_json,
    subject_findings,
)
from llamaproof.attestation.findings import Finding, defect, holds, noted, unchecked
from llamaproof.attestation.provenance import (
    BUILD_TYPE,
    PREDICATE_TYPE,
    UNKNOWN_BUILD_TYPE,
    Provenance,
    Source,
)
from llamaproof.attestation.sidecars import PROVENANCE_SUFFIX, beside
from llamaproof.attestation.statement import Subject
from llamaproof.errors import DefectFound
from llamaproof.signing.trusted_keys import TrustedKeys


def opened_provenance(wheel: Path) -> OpenedStatement | Finding:
    """The statement of a wheel's provenance, or why there is none."""
    members = signed_json(wheel, PROVENANCE_SUFFIX, "provenance")
    if isinstance(members, Finding):
        return members
    path = beside(wheel, PROVENANCE_SUFFIX)
    return open_statement(members, "provenance", PREDICATE_TYPE, where=path)


def provenance_findings(
    found: OpenedStatement, wheel: Subject, source: Source | None, trusted: TrustedKeys
) -> Iterator[Finding]:
    """What is to be said of a wheel's provenance."""
    yield from subject_findings(found.statement.subject, wheel, "provenance")
    try:
        said = provenance.read_provenance(found.statement, where=wheel.name)
    except DefectFound as error:
        yield defect("provenance", "provenance.damaged", error.what)
        return
    yield from signature_findings(found.signed, said.signed_on, trusted, "provenance")
    yield _contents_finding(said, source)


def _contents_finding(said: Provenance, source: Source | None) -> Finding:
    """Whether it says what the wheel says of itself."""
    if said.build_type not in (BUILD_TYPE, UNKNOWN_BUILD_TYPE):
        words = f"it is of a build of the type {said.build_type!r}, which is not known here"
        return unchecked("provenance", "provenance.unknown-version", words)
    if said.definition != provenance.definition(source):
        words = "it says another thing of the build than the wheel does"
        return defect("provenance", "provenance.contradicts", words)
    if source is None:
        words = "nothing is known of how the wheel was built: it does not say"
        return noted("provenance", "provenance.unknown-build", words)
    return holds("provenance", "provenance.holds", _words(said, source))


def _words(said: Provenance, source: Source) -> str:
    facts = source.facts
    parts = [f"the wheel says: pin {facts.pin or 'not named'}", f"{len(facts.patches)} patches"]
    parts.append(f"CUDA {facts.cuda} for {','.join(facts.cuda_arch)}" if facts.cuda else "no CUDA")
    hashed = [one for one in said.definition["resolvedDependencies"] if one.get("digest")]
    parts.append(f"{len(hashed)} sources by hash")
    if facts.making is None:
        parts.append("not the hashes of its sources: it is of an older form")
    elif facts.making.reproducible is not True:
        parts.append(f"another build may differ: {facts.making.reproducible}")
    return ", ".join(parts)
