"""What a key says of keys, signed: that another takes its place, or that one is revoked."""

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
from llamaproof.signing.public_key import PublicKey, public_key
from llamaproof.signing.signing_key import SigningKey

SCHEMA = Schema(name="llamaproof.key-statement", version=1)
PAYLOAD_TYPE = "application/vnd.llamaproof.key-statement+json"
_HINT = "use a newer llamaproof, or get the file of keys again"

Says = Literal["takes the place", "revokes"]


@dataclass(frozen=True, kw_only=True)
class KeyStatement:
    """A statement about a key.

    Attributes:
        says: `takes the place`: `key` does, of the key that signed this; `revokes`: `key` is not
            to be trusted any more.
        key: that is spoken of.
        at: from when on.
        reason: in words.
        signed: the envelope it came in, whose signature is not checked by reading it.
    """

    says: Says
    key: PublicKey
    at: datetime
    reason: str
    signed: SignedBytes


def write_statement(
    says: Says, key: PublicKey, *, at: datetime, reason: str, by: SigningKey
) -> dict[str, Any]:
    """A signed statement, as the file of keys holds it."""
    payload = SCHEMA.document(
        says=says,
        key={"id": key.key_id, "public": key.text},
        at=times.to_text(at),
        reason=reason,
    )
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
        return _parsed(payload, signed)
    except (KeyError, TypeError, ValueError) as error:
        raise DefectFound(f"a statement about a key is damaged: {error!r}", where=where) from error


def _parsed(payload: Mapping[str, Any], signed: SignedBytes) -> KeyStatement:
    says = payload["says"]
    if says not in get_args(Says):
        raise ValueError(f"nothing is known of a statement that {says!r}")
    key = public_key(payload["key"]["public"])
    if key.key_id != payload["key"]["id"]:
        raise ValueError("the id of the key is not its fingerprint")
    return KeyStatement(
        says=says,
        key=key,
        at=times.parse(payload["at"]),
        reason=str(payload["reason"]),
        signed=signed,
    )
