"""Signatures of files by OpenSSH's own program, which anybody can check with it alone."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from llamaproof.errors import CommandFailed
from llamaproof.process import ask
from llamaproof.signing.signing_key import SigningKey
from llamaproof.signing.trusted_key import TrustedKey
from llamaproof.signing.trusted_keys import TrustedKeys

PROGRAM = "ssh-keygen"
NAMESPACE = "llamaproof-wheel"
# Whom an allowed_signers file says its keys belong to; OpenSSH wants a name.
PRINCIPAL = "llamaproof"


def lacking() -> str:
    """Why files cannot be signed or checked here; empty where they can.

    Before 8.1 the program refuses every signature alike: it does not know what is asked of it.
    """
    if shutil.which(PROGRAM) is None:
        return f"{PROGRAM} is not installed"
    if "option -- Y" in ask((PROGRAM, "-Y", "verify")).stderr.replace("'", ""):
        return f"{PROGRAM} is older than OpenSSH 8.1"
    return ""


def sign_file(path: Path, key: SigningKey) -> bytes:
    """The signature of a file's bytes, in the namespace of wheels.

    Raises:
        CommandFailed: the program refuses; its words are in the error.
    """
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        # It writes beside what it signs, and asks before it overwrites.
        linked = Path(scratch) / "wheel"
        linked.symlink_to(path.absolute())
        command = (PROGRAM, "-Y", "sign", "-f", key.path, "-n", NAMESPACE, linked)
        answer = ask(command)
        signature = linked.with_name("wheel.sig")
        if answer.returncode != 0 or not signature.is_file():
            raise CommandFailed(
                f"{PROGRAM} did not sign {path.name}",
                where=path,
                returncode=answer.returncode,
                output=tuple(answer.stderr.splitlines()),
            )
        return signature.read_bytes()


def allowed_signers(keys: TrustedKeys) -> str:
    """The lines of OpenSSH's allowed_signers file: every key that is not revoked."""
    return "".join(_line(key) for key in keys.counting)


def signer_of(path: Path, signature: Path, keys: TrustedKeys) -> TrustedKey | None:
    """The trusted key that signed a file; None where none of them did.

    Revoked keys are tried too: the caller says what their signatures are worth.

    Raises:
        CommandFailed: the program cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        allowed = Path(scratch) / "allowed_signers"
        for key in keys.keys:
            allowed.write_text(_line(key), encoding="utf-8")
            command = (
                PROGRAM, "-Y", "verify", "-f", allowed, "-I", PRINCIPAL,
                "-n", NAMESPACE, "-s", signature.absolute(),
            )  # fmt: skip
            if ask(command, stdin=path).returncode == 0:
                return key
    return None


def _line(key: TrustedKey) -> str:
    return f'{PRINCIPAL} namespaces="{NAMESPACE}" {key.public.text}\n'
