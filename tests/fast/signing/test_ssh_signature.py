"""The signature beside a wheel is one that OpenSSH's program alone checks, as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llamaproof.errors import CommandFailed
from llamaproof.process import ask
from llamaproof.signing import ssh_signature
from llamaproof.signing.signing_key import new_key
from llamaproof.signing.trusted_keys import trusting
from tests.support.needs import CHECKOUT

pytestmark = pytest.mark.skipif(bool(ssh_signature.lacking()), reason=ssh_signature.lacking())


def command_of_the_page() -> str:
    (line,) = re.findall(
        r"^ssh-keygen -Y verify .*$", (CHECKOUT / "docs" / "verify.md").read_text(), re.MULTILINE
    )
    return str(line)


def test_the_command_of_the_page_checks_it(tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    wheel = tmp_path / "WHEEL"
    wheel.write_bytes(b"some bytes")
    (tmp_path / "WHEEL.sig").write_bytes(ssh_signature.sign_file(wheel, key))
    allowed = ssh_signature.allowed_signers(trusting([key.public]))
    (tmp_path / "allowed_signers").write_text(allowed)
    checked = ["sh", "-c", command_of_the_page()]
    answer = ask(checked, cwd=tmp_path)
    assert answer.returncode == 0 and key.public.key_id.encode() in answer.stdout, answer
    wheel.write_bytes(b"other bytes")
    assert ask(checked, cwd=tmp_path).returncode != 0


def test_a_signature_for_another_purpose_is_none_of_a_wheel(tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    wheel = tmp_path / "wheel"
    wheel.write_bytes(b"some bytes")
    ask(["ssh-keygen", "-Y", "sign", "-f", key.path, "-n", "file", wheel])
    signature = tmp_path / "wheel.sig"
    assert signature.is_file()
    assert ssh_signature.signer_of(wheel, signature, trusting([key.public])) is None


def test_where_the_program_refuses_its_words_are_told(tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    key.path.chmod(0o644)
    wheel = tmp_path / "wheel"
    wheel.write_bytes(b"some bytes")
    with pytest.raises(CommandFailed, match="did not sign") as caught:
        ssh_signature.sign_file(wheel, key)
    assert "UNPROTECTED" in str(caught.value)
