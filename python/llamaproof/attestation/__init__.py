"""Signed statements about a wheel, bound to its bytes: made, and checked."""

from llamaproof.attestation.check import check_wheel
from llamaproof.attestation.findings import Finding, WheelCheck
from llamaproof.attestation.sign import sign_wheel
from llamaproof.signing.signing_key import SigningKey, key_for_signing
from llamaproof.signing.trusted_keys import TrustedKeys, read_trusted_keys

__all__ = [
    "Finding",
    "SigningKey",
    "TrustedKeys",
    "WheelCheck",
    "check_wheel",
    "key_for_signing",
    "read_trusted_keys",
    "sign_wheel",
]
