"""Claims: what a revoked or a foreign key signed does not stay published, and rotation is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llamaproof import cli
from tests.support.release.shop import Shop, state_of


@pytest.fixture
def keys(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The publisher's file of keys, with the key that signed what is published."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    path = shop.folder / "keys" / "keys.json"
    shop.key.unlink()
    shop.key.with_name("key.pub").unlink()
    assert cli.main(["keys", "new", str(shop.key), "--keys", str(path)]) == 0
    assert shop.release("--keys", str(path)) == 0
    return path


def signatures(shop: Shop) -> dict[str, str]:
    ends = (".provenance.json", ".tests.json", ".sig")
    return {
        name: digest
        for name, (digest, _) in state_of(shop.index / "files").items()
        if name.endswith(ends)
    }


def test_the_keys_are_published(shop: Shop, keys: Path) -> None:
    published = json.loads((shop.index / "keys.json").read_text())
    (key,) = published["keys"]
    assert key == json.loads(keys.read_text())["keys"][0]
    assert key["id"] in (shop.index / "index.html").read_text()


def test_a_rotated_key_leaves_what_is_signed_as_it_was(shop: Shop, keys: Path) -> None:
    before = signatures(shop)
    new = shop.folder / "keys" / "second"
    assert cli.main(["keys", "rotate", str(new), "--keys", str(keys), "--key", str(shop.key)]) == 0
    assert shop.release("--keys", str(keys), "--key", str(new), key=False) == 0
    assert signatures(shop) == before
    assert len(json.loads((shop.index / "keys.json").read_text())["keys"]) == 2


def test_what_a_revoked_key_signed_is_refused_until_another_signs_it(
    shop: Shop, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = shop.folder / "keys" / "second"
    files = ("--keys", str(keys))
    assert cli.main(["keys", "rotate", str(new), *files, "--key", str(shop.key)]) == 0
    assert shop.release(*files, key=False) == 0
    revoked = ["keys", "revoke", f"{shop.key}.pub", "--reason", "the laptop was stolen"]
    assert cli.main([*revoked, *files, "--key", str(new)]) == 0
    before = signatures(shop)
    wheels = {n: s for n, s in state_of(shop.index / "files").items() if n.endswith(".whl")}
    capsys.readouterr()
    assert shop.release(*files, key=False) == 1
    assert "the laptop was stolen" in capsys.readouterr().out
    assert signatures(shop) == before
    assert shop.release(*files, "--key", str(new), key=False) == 0
    after = signatures(shop)
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in before)
    assert wheels == {n: s for n, s in state_of(shop.index / "files").items() if n.endswith(".whl")}
    assert "the laptop was stolen" in (shop.index / "index.html").read_text()


def test_keys_that_do_not_follow_are_refused(
    shop: Shop, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state_of(shop.index)
    other = keys.with_name("other.json")
    stranger = shop.folder / "keys" / "stranger"
    assert cli.main(["keys", "new", str(stranger), "--keys", str(other)]) == 0
    assert shop.release("--keys", str(other), "--key", str(stranger), key=False) == 1
    said = capsys.readouterr().err
    assert "do not follow" in said
    assert "publish a rotation before the revocation" in said
    assert state_of(shop.index) == before
    # What the message says: everybody is then to be given the new keys.
    (shop.index / "keys.json").unlink()
    assert shop.release("--keys", str(other), "--key", str(stranger), key=False) == 0
