"""DSSE envelopes: bytes with their type, signed together by Ed25519 keys."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Signature

from llamaproof.errors import DefectFound
from llamaproof.signing.public_key import PublicKey
from llamaproof.signing.signing_key import SigningKey


@dataclass(frozen=True, kw_only=True)
class SignedBytes:
    """What an envelope holds, before anybody has looked at who signed it.

    Attributes:
        payload: the bytes that are signed.
        payload_type: signed with them.
        envelope: of the library's.
    """

    payload: bytes
    payload_type: str
    envelope: Envelope

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The keys that the envelope says it is signed with; nothing of this is checked."""
        return tuple(self.envelope.signatures)


def sign(payload: bytes, payload_type: str, key: SigningKey) -> dict[str, Any]:
    """An envelope around bytes, signed with one key, as JSON takes it."""
    envelope = Envelope(payload, payload_type, {})
    envelope.sign(key.signer)
    members: dict[str, Any] = envelope.to_dict()
    return members


def opened(members: object, payload_type: str, *, where: object) -> SignedBytes:
    """What an envelope holds.

    Args:
        members: of the envelope, as JSON has them.
        payload_type: that it must be of: a signature over another type says something else.

    Raises:
        DefectFound: it is no envelope, holds something of another type, or has no signature.
    """
    try:
        # The library writes into what it is given.
        copied = {**members, "signatures": [dict(one) for one in members["signatures"]]}  # type: ignore[index,dict-item]
        envelope = Envelope.from_dict(copied)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise DefectFound(f"this is no signed envelope: {error!r}", where=where) from error
    if envelope.payload_type != payload_type:
        raise DefectFound(
            f"the envelope holds {envelope.payload_type!r}, where {payload_type!r} belongs",
            where=where,
        )
    if not envelope.signatures:
        raise DefectFound("the envelope has no signature", where=where)
    return SignedBytes(
        payload=envelope.payload, payload_type=envelope.payload_type, envelope=envelope
    )


@dataclass(frozen=True, kw_only=True)
class Signatures:
    """The signatures of an envelope, sorted by what they are worth.

    Attributes:
        good: keys whose signature fits.
        bad: ids of known keys under which a signature stands that is not theirs.
        unknown: ids of keys that nobody here knows.
    """

    good: tuple[PublicKey, ...]
    bad: tuple[str, ...]
    unknown: tuple[str, ...]


def signatures_of(signed: SignedBytes, find: Callable[[str], PublicKey | None]) -> Signatures:
    """Check every signature of an envelope.

    Args:
        find: the key of an id, if it is known.
    """
    good: list[PublicKey] = []
    bad: list[str] = []
    unknown: list[str] = []
    for key_id, signature in signed.envelope.signatures.items():
        key = find(key_id)
        if key is None:
            unknown.append(key_id)
        elif _fits(signed.envelope, signature, key):
            good.append(key)
        else:
            bad.append(key_id)
    return Signatures(good=tuple(good), bad=tuple(bad), unknown=tuple(unknown))


def _fits(envelope: Envelope, signature: Signature, key: PublicKey) -> bool:
    alone = Envelope(envelope.payload, envelope.payload_type, {signature.keyid: signature})
    try:
        alone.verify([key.for_envelopes()], 1)
    except (UnverifiedSignatureError, VerificationError):
        return False
    return True
