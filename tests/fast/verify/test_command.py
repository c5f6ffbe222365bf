"""`llamaproof verify`: 0 where everything holds, 1 for a defect, 2 where it is not known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from llamaproof import cli
from llamaproof.attestation.sidecars import PROVENANCE_SUFFIX
from llamaproof.kept_evidence import DATA_SUFFIX
from tests.support.attestation.signed_wheel import WHEEL, Published, changed, publish


def verify(*words: str | Path) -> int:
    return cli.main(["verify", *map(str, words)])


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return publish(tmp_path / "files")


@pytest.fixture
def key(published: Published) -> Path:
    return published.key.path.with_name(published.key.path.name + ".pub")


def test_a_file_with_its_sidecars_and_a_key(
    published: Published, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(published.wheel, "--key", key) == 0
    said = capsys.readouterr().out
    assert "in all: holds" in said and "left out: numbers" in said
    assert "dispatch: dispatch said" in said
    assert len(said.splitlines()) < 15


def test_what_altered_evidence_says_is_not_repeated(
    published: Published, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = published.beside(DATA_SUFFIX)
    changed(path, lambda members: members["abi"].update(words="all is very well"))
    assert verify(published.wheel, "--key", key) == 1
    assert "very well" not in capsys.readouterr().out


def test_without_a_key_it_could_not_be_checked(
    published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(published.wheel) == 2
    assert "no key was given" in capsys.readouterr().out


def test_a_defect_outweighs_what_is_not_known(published: Published, key: Path) -> None:
    data = bytearray(published.wheel.read_bytes())
    data[-1] ^= 1
    published.wheel.write_bytes(data)
    assert verify(published.wheel) == 1
    assert verify(published.wheel, "--key", key) == 1


def test_a_wheel_without_sidecars(tmp_path: Path, key: Path) -> None:
    assert verify(WHEEL.write(tmp_path / "alone"), "--key", key) == 2


def test_a_folder_is_as_good_as_its_worst_wheel(
    published: Published, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = publish(published.wheel.parent, replace(WHEEL, version="2.0+cu130"), key=published.key)
    assert verify(published.wheel.parent, "--key", key, "--json", tmp_path / "found.json") == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["schema"] == "llamaproof.verification" and found["outcome"] == "holds"
    assert [one["wheel"] for one in found["wheels"]] == [published.wheel.name, second.wheel.name]
    second.beside(PROVENANCE_SUFFIX).unlink()
    assert verify(published.wheel.parent, "--key", key) == 2
    assert "2 wheels: could not be checked" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["nothing", "empty"])
def test_where_no_wheel_is_that_is_said(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert verify(tmp_path / place) == 2
    assert "there is no" in capsys.readouterr().err


def test_a_file_of_keys_that_was_written_in_decides_nothing_more(
    published: Published, tmp_path: Path
) -> None:
    (tmp_path / "keys.json").write_text('{"schema": "llamaproof.keys", "version": 99}')
    assert verify(published.wheel, "--key", tmp_path / "keys.json") == 2


def test_sign_and_verify_by_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LLAMAPROOF_SIGNING_KEY", raising=False)
    wheel = WHEEL.write(tmp_path / "files")
    assert cli.main(["sign", str(wheel)]) == 2
    assert "--key FILE" in capsys.readouterr().err
    assert cli.main(["keys", "new", str(tmp_path / "key")]) == 0
    assert cli.main(["sign", str(wheel), "--key", str(tmp_path / "key")]) == 0
    assert "no evidence beside it" in capsys.readouterr().out
    # Signed, and nothing was proved of it.
    assert verify(wheel, "--key", tmp_path / "key.pub") == 2


def test_what_a_stranger_wrote_cannot_forge_a_line(
    published: Published, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = "\x1b[2J\nin all: holds"
    path = published.beside(PROVENANCE_SUFFIX)
    changed(path, lambda members: members["signatures"][0].update(keyid=forged))
    assert verify(published.wheel, "--key", key) == 1
    said = capsys.readouterr().out
    assert "\x1b" not in said and "in all: holds" not in said.splitlines()
    assert "\\x1b[2J" in said
