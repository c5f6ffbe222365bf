"""A private key: made, kept in a file that nobody else may read, and never in a work tree."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_ssh_private_key,
)
from securesystemslib.signer import CryptoSigner

from llamaproof.errors import BadInput, LlamaproofError
from llamaproof.signing.public_key import PublicKey, public_key_of

ENVIRONMENT = "LLAMAPROOF_SIGNING_KEY"
HOW_TO_GIVE_ONE = (
    f"give one with --key FILE, or name its file in {ENVIRONMENT}; "
    "`llamaproof keys new FILE` makes one"
)

_LARGEST_BYTES = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A private key that was read.

    Attributes:
        path: its file; OpenSSH's own program signs with it from there.
        public: its public part.
        signer: what signs envelopes with it.
    """

    path: Path
    public: PublicKey
    signer: CryptoSigner = field(repr=False)


def new_key(path: Path) -> SigningKey:
    """Make a key: the private part at `path`, mode 0600, and `path`.pub beside it.

    Raises:
        BadInput: something is there already, or the place is inside a git work tree.
        LlamaproofError: it cannot be written.
    """
    _refuse_work_tree(path)
    public_path = path.with_name(path.name + ".pub")
    private = Ed25519PrivateKey.generate()
    public = public_key_of(private.public_key())
    text = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    try:
        _write_new(path, text, 0o600)
        try:
            _write_new(public_path, f"{public.text} {path.name}\n".encode(), 0o644)
        except BaseException:
            path.unlink()
            raise
    except FileExistsError as error:
        raise BadInput(
            f"there is already a file of the name {Path(error.filename).name}",
            where=error.filename,
            hint="choose another name: a key is never overwritten",
        ) from error
    except OSError as error:
        raise LlamaproofError(
            f"the key cannot be written: {error.strerror or error}",
            where=path,
            hint="choose a folder that exists and may be written to",
        ) from error
    return load_key(path)


def key_for_signing(path: Path | None) -> SigningKey:
    """The key of a file, or of the one that the environment names.

    Raises:
        BadInput: there is none, or it cannot be used; the message says how to give one.
    """
    named = path or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    if named is None:
        raise BadInput("there is no key to sign with", hint=HOW_TO_GIVE_ONE)
    return load_key(named)


def load_key(path: Path) -> SigningKey:
    """Read a private key.

    Raises:
        BadInput: it is not there, may be read by others, is encrypted, or is no Ed25519 key.
    """
    text = _read_private(path)
    try:
        private = load_ssh_private_key(text, password=None)
    except TypeError as error:
        raise BadInput(
            "the key is encrypted, and llamaproof asks for no passphrase",
            where=path,
            hint="take a key without one, in a folder that is encrypted or in a secret of the CI: "
            "`llamaproof keys new FILE` makes it",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        what = f"this is no private key in OpenSSH's form: {error}"
        raise BadInput(what, where=path, hint=HOW_TO_GIVE_ONE) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise BadInput("the key is not of the kind Ed25519", where=path, hint=HOW_TO_GIVE_ONE)
    public = public_key_of(private.public_key())
    signer = CryptoSigner(private, public.for_envelopes())
    return SigningKey(path=path, public=public, signer=signer)


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if status.st_mode & _OTHERS:
                raise BadInput(
                    f"others may read or write this key: its mode is {status.st_mode & 0o777:o}",
                    where=path,
                    hint=f"chmod 600 {path}, if nobody has read it; else make another",
                )
            return stream.read(_LARGEST_BYTES)
    except OSError as error:
        raise BadInput(
            f"the key cannot be read: {error.strerror}", where=path, hint=HOW_TO_GIVE_ONE
        ) from error


def _refuse_work_tree(path: Path) -> None:
    """A key inside a checkout is one `git add` from being published."""
    for folder in path.absolute().resolve().parents:
        if (folder / ".git").exists():
            raise BadInput(
                "a private key is never written inside a git work tree",
                where=folder,
                hint="choose a folder outside it, such as ~/.config/llamaproof",
            )


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that is not there yet; nobody else can read it at any moment."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        raise
