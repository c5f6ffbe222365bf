"""The public part of an Ed25519 key, in the one-line form that OpenSSH writes."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_public_key,
    ssh_key_fingerprint,
)
from securesystemslib.signer import SSlibKey

from llamaproof.errors import BadInput

_LONGEST = 4096


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """A key that signatures are checked with.

    Attributes:
        text: `ssh-ed25519 AAAA...`, without a comment.
        key_id: its fingerprint, `SHA256:...`, as `ssh-keygen -l` prints it.
    """

    text: str
    key_id: str

    def for_envelopes(self) -> SSlibKey:
        """As the library that checks envelopes takes it."""
        return SSlibKey.from_crypto(_loaded(self.text), keyid=self.key_id)


def public_key(text: str, *, where: object = "") -> PublicKey:
    """The key of a line such as a `.pub` file holds; a comment after it is dropped.

    Raises:
        BadInput: it is no Ed25519 key in OpenSSH's form.
    """
    return public_key_of(_loaded(text, where=where))


def public_key_of(key: Ed25519PublicKey) -> PublicKey:
    """A key of the library's, as text and with its fingerprint."""
    digest = base64.b64encode(ssh_key_fingerprint(key, SHA256())).rstrip(b"=").decode()
    text = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return PublicKey(text=text, key_id=f"SHA256:{digest}")


def _loaded(text: str, *, where: object = "") -> Ed25519PublicKey:
    words = text.strip()
    try:
        if len(words) > _LONGEST or "\n" in words:
            raise ValueError("it is more than one line")
        key = load_ssh_public_key(words.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadInput(
            f"this is no public key in OpenSSH's form: {error}", where=where, hint=_HINT
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadInput("the key is not of the kind Ed25519", where=where, hint=_HINT)
    return key


_HINT = "give a line such as `ssh-ed25519 AAAA...`; `llamaproof keys new` makes such a key"
