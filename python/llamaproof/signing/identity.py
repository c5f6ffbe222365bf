"""An identity that an OIDC issuer vouches for, whose sigstore signatures can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who signs, as a certificate names him: such as a workflow's address, and its CI's."""

    identity: str
    issuer: str

    def __str__(self) -> str:
        return f"{self.identity} by {self.issuer}"

    def json(self) -> dict[str, str]:
        return {"identity": self.identity, "issuer": self.issuer}


def identity_of(members: Mapping[str, Any]) -> Identity:
    """An identity as JSON has it."""
    return Identity(identity=str(members["identity"]), issuer=str(members["issuer"]))
