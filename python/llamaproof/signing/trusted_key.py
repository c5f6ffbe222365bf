"""One key or identity that is trusted, and whether a signature of it counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llamaproof.signing import times
from llamaproof.signing.identity import Identity
from llamaproof.signing.public_key import PublicKey


@dataclass(frozen=True, kw_only=True)
class Revocation:
    """That a key is not to be trusted any more: since when, and why."""

    at: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class TrustedKey:
    """A key, and the time in which its signatures count.

    Attributes:
        since: None for a key that was given alone.
        until: when another took its place; None while it signs.
        introduced_by: the id of the key whose place it took; empty where the file begins with it.
    """

    public: PublicKey
    since: datetime | None = None
    until: datetime | None = None
    introduced_by: str = ""
    revoked: Revocation | None = None

    def refusal(self, signed_on: datetime | None) -> str:
        """Why a signature of this key does not count; empty where it does.

        Whoever has a key can date what he signs as he likes: of a revoked key nothing counts, of
        whatever date. A key whose place was taken is in nobody's hands but its owner's: what it
        signed before counts.

        Args:
            signed_on: when it was signed, as the signed document says; None where it does not.
        """
        if self.revoked is not None:
            return (
                f"the key was revoked on {times.to_text(self.revoked.at)} ({self.revoked.reason}):"
                " nothing that it signed counts, of whatever date"
            )
        if signed_on is None:
            return ""
        said = f"it says that it was signed on {times.to_text(signed_on)}"
        if self.since is not None and signed_on < self.since:
            return f"{said}, before the key was in use ({times.to_text(self.since)})"
        if self.until is not None and signed_on > self.until:
            return f"{said}, after another key took its place ({times.to_text(self.until)})"
        return ""

    def json(self) -> dict[str, Any]:
        revoked = self.revoked
        return {
            "id": self.public.key_id,
            "public": self.public.text,
            "from": None if self.since is None else times.to_text(self.since),
            "until": None if self.until is None else times.to_text(self.until),
            "introduced_by": self.introduced_by or None,
            "revoked": None
            if revoked is None
            else {"at": times.to_text(revoked.at), "reason": revoked.reason},
        }


@dataclass(frozen=True, kw_only=True)
class TrustedIdentity:
    """An identity whose sigstore signatures count, and the id of the key that said so."""

    identity: Identity
    trusted_by: str

    def json(self) -> dict[str, str]:
        return {**self.identity.json(), "trusted_by": self.trusted_by}
