"""A private key is written once, for its owner alone, outside any work tree."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from llamaproof.errors import BadInput, LlamaproofError
from llamaproof.process import run
from llamaproof.signing import ssh_signature
from llamaproof.signing.public_key import public_key
from llamaproof.signing.signing_key import ENVIRONMENT, key_for_signing, load_key, new_key

needs_ssh_keygen = pytest.mark.skipif(bool(ssh_signature.lacking()), reason=ssh_signature.lacking())


def test_a_new_key_is_its_owners_alone_and_its_public_part_lies_beside(tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert public_key((tmp_path / "key.pub").read_text()) == key.public
    assert load_key(tmp_path / "key").public == key.public
    assert "PRIVATE" not in repr(key) and str(key.signer) not in repr(key)


@needs_ssh_keygen
def test_its_id_is_the_fingerprint_that_openssh_prints(tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    assert key.public.key_id in run(["ssh-keygen", "-l", "-f", tmp_path / "key.pub"]).output


@pytest.mark.parametrize("there", ["key", "key.pub"])
def test_nothing_is_overwritten_and_nothing_half_made_stays(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(BadInput, match=f"already a file of the name {there}"):
        new_key(tmp_path / "key")
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


@pytest.mark.parametrize("marker", ["folder", "file"])
def test_never_inside_a_work_tree(tmp_path: Path, marker: str) -> None:
    git = tmp_path / "tree" / ".git"
    inside = tmp_path / "tree" / "deep"
    inside.mkdir(parents=True)
    # A second work tree has a file there.
    git.mkdir() if marker == "folder" else git.write_text("gitdir: elsewhere")
    (tmp_path / "link").symlink_to(inside)
    for folder in (inside, tmp_path / "link"):
        with pytest.raises(BadInput, match="never written inside a git work tree"):
            new_key(folder / "key")
    assert list(inside.iterdir()) == []


def test_where_nothing_can_be_written_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(LlamaproofError, match="cannot be written"):
        new_key(tmp_path / "no such folder" / "key")


def test_without_a_key_it_says_how_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(BadInput, match="no key to sign with") as caught:
        key_for_signing(None)
    assert "--key FILE" in caught.value.hint and ENVIRONMENT in caught.value.hint


def test_the_environment_may_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_key(tmp_path / "key")
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "key"))
    assert key_for_signing(None).public == key.public


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    new_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(BadInput, match="its mode is 640"):
        load_key(tmp_path / "key")


@needs_ssh_keygen
def test_an_encrypted_key_is_refused_in_words(tmp_path: Path) -> None:
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "key"])
    with pytest.raises(BadInput, match="the key is encrypted"):
        load_key(tmp_path / "key")


@needs_ssh_keygen
@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_key_of_another_kind_is_refused(tmp_path: Path, kind: str) -> None:
    run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", tmp_path / "key"])
    with pytest.raises(BadInput, match="not of the kind Ed25519"):
        load_key(tmp_path / "key")
    with pytest.raises(BadInput, match="not of the kind Ed25519"):
        public_key((tmp_path / "key.pub").read_text())


@pytest.mark.parametrize("text", ["", "no key", "ssh-ed25519 AAAA", "ssh-ed25519 AAAA\nssh-rsa B"])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(BadInput, match="no private key"):
        load_key(tmp_path / "key")
    with pytest.raises(BadInput, match="no public key"):
        public_key(text)
