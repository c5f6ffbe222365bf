"""What is asked of every signed statement: that it is whole, about this wheel, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from llamaproof.attestation.findings import About, Finding, defect, holds, noted, unchecked
from llamaproof.attestation.sidecars import beside, read_signed
from llamaproof.attestation.statement import (
    PAYLOAD_TYPE,
    Statement,
    Subject,
    UnknownKind,
    read_statement,
)
from llamaproof.errors import BadInput, DefectFound
from llamaproof.reports import strict_json
from llamaproof.signing import times
from llamaproof.signing.envelope import SignedBytes, opened, signatures_of
from llamaproof.signing.trusted_keys import TrustedKeys


@dataclass(frozen=True, kw_only=True)
class OpenedStatement:
    """A statement out of its envelope; nothing is said yet of who signed it."""

    signed: SignedBytes
    statement: Statement


def signed_json(wheel: Path, suffix: str, about: About) -> object | Finding:
    """The JSON in a signed file beside a wheel; a finding where there is none."""
    path = beside(wheel, suffix)
    try:
        data = read_signed(path)
        if data is None:
            return unchecked(about, f"{about}.missing", f"there is no {path.name}")
        parsed: object = strict_json.parse(data)
        return parsed
    except BadInput as error:
        return unchecked(about, f"{about}.unreadable", error.what)
    except ValueError as error:
        return defect(about, f"{about}.damaged", f"{path.name} is no JSON: {error}")


def open_statement(
    members: object, about: About, predicate_type: str, *, where: Path
) -> OpenedStatement | Finding:
    """The statement of an envelope; a finding where there is none of the kind that is known."""
    try:
        signed = opened(members, PAYLOAD_TYPE, where=where)
        statement = read_statement(signed.payload, where=where)
    except UnknownKind as error:
        return unchecked(about, f"{about}.unknown-version", str(error))
    except DefectFound as error:
        return defect(about, f"{about}.damaged", error.what)
    if statement.predicate_type != predicate_type:
        words = f"it is of the kind {statement.predicate_type!r}; only {predicate_type} is known"
        return unchecked(about, f"{about}.unknown-version", words)
    return OpenedStatement(signed=signed, statement=statement)


def subject_findings(found: Subject, wheel: Subject, about: About) -> Iterator[Finding]:
    """That a statement is about the wheel it lies beside; nothing is found where it is."""
    if found.sha256 != wheel.sha256:
        whose = (
            "other bytes under this name: of an older or newer build, or these were changed"
            if found.name == wheel.name
            else f"another wheel, {found.name}"
        )
        code = "other-bytes" if found.name == wheel.name else "other-wheel"
        words = f"it is about {whose} (sha256 {found.sha256[:16]}...)"
        yield defect(about, f"{about}.{code}", words)
    elif found.name != wheel.name:
        words = f"it is about these bytes under another name: the wheel was {found.name}"
        yield defect(about, f"{about}.other-name", words)


def signature_findings(
    signed: SignedBytes, signed_on: datetime, trusted: TrustedKeys, about: About
) -> Iterator[Finding]:
    """By whom it is signed: one that holds, or why none does; and what else is to be known."""
    if not trusted.keys:
        said = ", ".join(signed.key_ids)
        words = f"no key was given, so who signed it is not known (it says {said})"
        yield unchecked(about, f"{about}.no-key", words)
        return
    signatures = signatures_of(signed, trusted.public)
    for key_id in signatures.bad:
        words = f"the signature under {key_id} is not that key's: something was changed"
        yield defect(about, f"{about}.bad-signature", words)
    for public in signatures.good:
        key = trusted.find(public.key_id)
        refusal = "" if key is None else key.refusal(signed_on)
        if refusal:
            code = "revoked-key" if key is not None and key.revoked else "key-out-of-time"
            yield defect(about, f"{about}.{code}", f"signed by {public.key_id}: {refusal}")
        else:
            words = f"signed by {public.key_id} on {times.to_text(signed_on)}"
            yield holds(about, f"{about}.signed", words)
    for key_id in signatures.unknown:
        if signatures.good:
            words = f"also signed by {key_id}, which is not among the keys given: not counted"
            yield noted(about, f"{about}.further-key", words)
        else:
            words = f"signed by {key_id}, which is not among the keys given"
            yield defect(about, f"{about}.foreign-key", words)
