"""`llamaproof keys`: what is made, shown, rotated and revoked, and what is left after a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof import cli
from llamaproof.signing import ssh_signature
from llamaproof.signing.signing_key import load_key
from llamaproof.signing.trusted_keys import read_trusted_keys


def keys(*words: str | Path) -> int:
    return cli.main(["keys", *map(str, words)])


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with `one`, and a keys.json that begins with it."""
    assert keys("new", tmp_path / "one", "--keys", tmp_path / "keys.json") == 0
    return tmp_path


def test_a_life_of_keys(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = made / "keys.json"
    one = load_key(made / "one").public.key_id
    old = record.read_bytes()
    (made / "old.json").write_bytes(old)
    assert keys("rotate", made / "two", "--keys", record, "--key", made / "one") == 0
    two = load_key(made / "two").public.key_id
    assert [key.public.key_id for key in read_trusted_keys(record).in_use] == [two]
    assert keys("show", record, "--against", made / "old.json") == 0
    revoke = ("revoke", one, "--reason", "lost", "--keys", record, "--key", made / "two")
    assert keys(*revoke) == 0
    assert [key.public.key_id for key in read_trusted_keys(record).counting] == [two]
    capsys.readouterr()
    assert keys("show", record) == 0
    shown = capsys.readouterr().out
    assert one in shown and two in shown and ": lost" in shown
    assert keys("show", record, "--against", made / "old.json") == 1


def test_only_keys_that_count_are_allowed_signers(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = made / "keys.json"
    keys("rotate", made / "two", "--keys", record, "--key", made / "one")
    keys("revoke", made / "one.pub", "--reason", "x", "--keys", record, "--key", made / "two")
    capsys.readouterr()
    assert keys("show", record, "--allowed-signers") == 0
    (line,) = capsys.readouterr().out.splitlines()
    public = load_key(made / "two").public.text
    assert line == f'llamaproof namespaces="{ssh_signature.NAMESPACE}" {public}'


def test_a_refused_rotation_leaves_no_key_and_the_record_as_it_was(made: Path) -> None:
    record = made / "keys.json"
    assert keys("rotate", made / "two", "--keys", record, "--key", made / "one") == 0
    before = record.read_bytes()
    # The place of the first is taken: it has none to give.
    assert keys("rotate", made / "three", "--keys", record, "--key", made / "one") == 1
    assert record.read_bytes() == before
    assert not (made / "three").exists() and not (made / "three.pub").exists()


def test_a_strangers_key_can_say_nothing(made: Path) -> None:
    assert keys("new", made / "stranger") == 0
    record = made / "keys.json"
    before = record.read_bytes()
    by = ("--keys", record, "--key", made / "stranger")
    assert keys("rotate", made / "two", *by) == 2
    assert keys("revoke", made / "one.pub", "--reason", "x", *by) == 1
    assert record.read_bytes() == before and not (made / "two").exists()


def test_a_record_is_not_begun_twice(made: Path) -> None:
    before = (made / "keys.json").read_bytes()
    assert keys("new", made / "two", "--keys", made / "keys.json") == 2
    assert (made / "keys.json").read_bytes() == before and not (made / "two").exists()


def test_an_identity_is_trusted_by_a_signed_statement(made: Path) -> None:
    record = made / "keys.json"
    words = ("identity", "a@b", "--issuer", "https://issuer", "--keys", record)
    for _ in range(2):
        assert keys(*words, "--key", made / "one") == 0
    (one,) = read_trusted_keys(record).identities
    assert (one.identity.identity, one.identity.issuer) == ("a@b", "https://issuer")
    assert one.trusted_by == load_key(made / "one").public.key_id
    assert keys(*words, "--key", made / "one", "--remove") == 0
    assert read_trusted_keys(record).identities == ()
    assert keys("new", made / "stranger") == 0
    assert keys(*words, "--key", made / "stranger") == 1
