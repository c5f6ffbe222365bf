"""sigstore, where an OIDC identity is at hand: a bundle around the provenance, checked offline."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llamaproof.attestation.findings import Finding, defect, holds, noted, unchecked
from llamaproof.attestation.statement import PAYLOAD_TYPE
from llamaproof.errors import LlamaproofError
from llamaproof.signing.identity import Identity

if TYPE_CHECKING:
    from sigstore.models import Bundle

_INSTALL = "pip install 'llamaproof[sigstore]'"


def is_there() -> bool:
    """Whether the library is installed."""
    return importlib.util.find_spec("sigstore") is not None


def sign(payload: bytes) -> bytes | None:
    """A bundle around a statement; None where no identity is at hand, or no library.

    The identity is that of a hosted CI's job, as the library finds it in the environment.

    Raises:
        LlamaproofError: an identity is at hand, and the service did not sign.
    """
    if not is_there():
        return None
    from sigstore import oidc
    from sigstore.dsse import Statement
    from sigstore.errors import Error
    from sigstore.models import ClientTrustConfig
    from sigstore.sign import SigningContext

    try:
        token = oidc.detect_credential()
    except oidc.IdentityError:
        # Such as a job that was not given the permission to ask for one.
        return None
    if token is None:
        return None
    try:
        context = SigningContext.from_trust_config(ClientTrustConfig.production())
        with context.signer(oidc.IdentityToken(token)) as signer:
            return signer.sign_dsse(Statement(payload)).to_json().encode()
    except (Error, oidc.ExpiredIdentity, OSError) as error:
        raise LlamaproofError(
            f"there is an OIDC identity, and sigstore did not sign with it: {error}",
            hint="run it again, or leave sigstore out",
        ) from error


def check(bundle: bytes, payload: bytes, identities: Sequence[Identity]) -> Finding:
    """Check a bundle offline: that a trusted identity signed this very statement.

    Args:
        payload: of the provenance that lies beside the wheel.
    """
    if not is_there():
        return noted("sigstore", "sigstore.no-library", f"not checked here: {_INSTALL}")
    if not identities:
        words = "not checked: the keys that were given name no identity to expect"
        return noted("sigstore", "sigstore.no-identity", words)
    from sigstore.errors import Error, VerificationError
    from sigstore.models import Bundle, InvalidBundle

    try:
        with _without_its_warnings():
            found = _signed_by(Bundle.from_json(bundle), identities)
    except (VerificationError, InvalidBundle) as error:
        return defect("sigstore", "sigstore.bad", f"the bundle does not hold: {error}")
    except (Error, OSError) as error:
        return unchecked("sigstore", "sigstore.unreadable", f"it could not be checked: {error}")
    if (found.kind, found.payload) != (PAYLOAD_TYPE, payload):
        words = "the bundle is about another statement than the one beside the wheel"
        return defect("sigstore", "sigstore.other-statement", words)
    return holds("sigstore", "sigstore.holds", f"signed by {found.identity}, checked offline")


@dataclass(frozen=True, kw_only=True)
class _Signed:
    """What a bundle holds, and which of the identities signed it."""

    identity: str
    kind: str
    payload: bytes


def _signed_by(bundle: Bundle, identities: Sequence[Identity]) -> _Signed:
    """The first identity that signed a bundle; the library's last refusal where none did."""
    from sigstore.errors import VerificationError
    from sigstore.verify import Verifier, policy

    verifier = Verifier.production(offline=True)
    refused = VerificationError("no identity is expected")
    for one in identities:
        expected = policy.Identity(identity=one.identity, issuer=one.issuer)
        try:
            kind, payload = verifier.verify_dsse(bundle, expected)
        except VerificationError as error:
            refused = error
        else:
            return _Signed(identity=one.identity, kind=kind, payload=payload)
    raise refused


@contextmanager
def _without_its_warnings() -> Iterator[None]:
    """The library warns of every check that is made offline, which is how each one is made."""
    logger = logging.getLogger("sigstore")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
