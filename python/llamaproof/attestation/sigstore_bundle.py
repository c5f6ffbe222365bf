"""sigstore, where an OIDC identity is at hand: a bundle around the provenance, checked offline."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from llamaproof.attestation.findings import Finding, defect, holds, noted
from llamaproof.attestation.statement import PAYLOAD_TYPE
from llamaproof.errors import LlamaproofError
from llamaproof.signing.trusted_keys import Identity

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
    from sigstore.errors import Error
    from sigstore.models import Bundle
    from sigstore.verify import Verifier, policy

    expected = policy.AnyOf(
        [policy.Identity(identity=one.identity, issuer=one.issuer) for one in identities]
    )
    try:
        verifier = Verifier.production(offline=True)
        kind, signed = verifier.verify_dsse(Bundle.from_json(bundle), expected)
    except (Error, ValueError) as error:
        return defect("sigstore", "sigstore.bad", f"the bundle does not hold: {error}")
    if kind != PAYLOAD_TYPE or signed != payload:
        words = "the bundle is about another statement than the one beside the wheel"
        return defect("sigstore", "sigstore.other-statement", words)
    names = ", ".join(one.identity for one in identities)
    return holds("sigstore", "sigstore.holds", f"signed by {names}, checked offline")
