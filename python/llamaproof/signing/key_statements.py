"""What a key says of others, signed: who takes its place, who is revoked, who else is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from llamaproof.errors import DefectFound
from llamaproof.reports import strict_json
from llamaproof.reports.document import Schema, expect, to_text
from llamaproof.signing import times
from llamaproof.signing.envelope import SignedBytes, opened, sign
from llamaproof.signing.identity import Identity, identity_of
from llamaproof.signing.public_key import PublicKey, public_key
from llamaproof.signing.signing_key import SigningKey

SCHEMA = Schema(name="llamaproof.key-statement", version=1)
PAYLOAD_TYPE = "application/vnd.llamaproof.key-statement+json"
_HINT = "use a newer llamaproof, or get the file of keys again"

OfKeys = Literal["takes the place", "revokes"]
OfIdentities = Literal["trusts", "trusts no more"]
Says = OfKeys | OfIdentities


@dataclass(frozen=True, kw_only=True)
class KeyStatement:
    """A statement about a key or an identity.

    Attributes:
        says: `takes the place`: the key does, of the one that signed this; `revokes`: the key is
            not to be trusted any more; `trusts` and `trusts no more`: an identity.
        about: that is spoken of.
        at: from when on.
        reason: in words.
        signed: the envelope it came in, whose signature is not checked by reading it.
    """

    says: Says
    about: PublicKey | Identity
    at: datetime
    reason: str
    signed: SignedBytes

    def __str__(self) -> str:
        about = self.about
        return f"{self.says}: {about.key_id if isinstance(about, PublicKey) else about}"


def write_statement(
    says: Says, about: PublicKey | Identity, *, at: datetime, reason: str, by: SigningKey
) -> dict[str, Any]:
    """A signed statement, as the file of keys holds it."""
    described = (
        {"key": {"id": about.key_id, "public": about.text}}
        if isinstance(about, PublicKey)
        else {"identity": about.json()}
    )
    payload = SCHEMA.document(says=says, **described, at=times.to_text(at), reason=reason)
    return sign(to_text(payload).encode(), PAYLOAD_TYPE, by)


def read_statement(members: object, *, where: object) -> KeyStatement:
    """Read a statement; who signed it is for the caller to judge.

    Raises:
        BadInput: it is of a version that is not known here.
        DefectFound: it is damaged.
    """
    signed = opened(members, PAYLOAD_TYPE, where=where)
    try:
        payload = strict_json.parse(signed.payload)
        expect(payload, SCHEMA, where=where, hint=_HINT)
        return KeyStatement(
            says=payload["says"],
            about=_about(payload),
            at=times.parse(payload["at"]),
            reason=str(payload["reason"]),
            signed=signed,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DefectFound(f"a statement about a key is damaged: {error!r}", where=where) from error


def _about(payload: Mapping[str, Any]) -> PublicKey | Identity:
    if payload["says"] in get_args(OfIdentities):
        return identity_of(payload["identity"])
    if payload["says"] not in get_args(OfKeys):
        raise ValueError(f"nothing is known of a statement that {payload['says']!r}")
    key = public_key(payload["key"]["public"])
    if key.key_id != payload["key"]["id"]:
        raise ValueError("the id of the key is not its fingerprint")
    return key
