"""Claims: what may be published is, whole, and what is not new changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from llamaproof import cli
from llamaproof.index import client
from llamaproof.index.model import read_publication
from llamaproof.release.client_check import served
from tests.support.release.shop import PTX, SM89, Shop, bytes_of, state_of


def test_two_variants_are_published(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    report = shop.folder / "report.json"
    assert shop.release("--json", str(report)) == 0
    said = capsys.readouterr().out
    assert "checked as its clients see it" in said
    document = json.loads(report.read_text())
    assert (document["schema"], document["outcome"]) == ("llamaproof.release", "holds")
    assert [one["state"] for one in document["wheels"]] == ["new", "new"]
    assert document["changed"] is True
    for wheel in (shop.sm89, shop.ptx):
        assert shop.published(wheel.name).read_bytes() == wheel.read_bytes()
        for end in (
            ".metadata",
            ".evidence.json",
            ".evidence.html",
            ".provenance.json",
            ".tests.json",
        ):
            assert shop.published(wheel.name + end).is_file(), end
    with served(shop.index) as address:
        projects = client.read_projects(f"{address}cu130-ptx/simple/")
        (offered,) = client.read_project(f"{address}cu130-ptx/simple/{projects[0]}/")
    assert (projects, offered.name) == (("llama-cpp-python",), shop.ptx.name)


def test_a_second_run_changes_nothing_not_even_times(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.release() == 0
    before = state_of(shop.index)
    inode = shop.index.stat().st_ino
    assert shop.release() == 0
    assert "nothing is new" in capsys.readouterr().out
    assert state_of(shop.index) == before
    assert shop.index.stat().st_ino == inode
    assert list(shop.folder.glob(".index.next")) == []


def test_a_later_release_leaves_what_was_published_as_it_was(shop: Shop) -> None:
    assert shop.release() == 0
    before = state_of(shop.index / "files")
    for variant, toy in (("cu130-sm89", SM89), ("cu130-ptx", PTX)):
        version = toy.version.replace("1.0", "1.1")
        shop.replace(variant, replace(toy, version=version))
    assert shop.release() == 0
    after = state_of(shop.index / "files")
    assert {name: after[name] for name in before} == before
    assert len(after) == 2 * len(before)
    publication = read_publication(shop.index / "publication.json")
    assert len(publication.of_variant("cu130-sm89")) == 2


def test_a_dry_run_says_what_would_happen_and_writes_nothing(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state_of(shop.folder)
    assert shop.release("--dry-run") == 0
    said = capsys.readouterr().out
    assert shop.sm89.name in said
    assert "nothing was written; it would be published" in said
    assert state_of(shop.folder) == before
    assert shop.release() == 0
    before = state_of(shop.folder)
    assert shop.release("--dry-run") == 0
    assert "nothing is new" in capsys.readouterr().out
    assert state_of(shop.folder) == before


def test_wheels_that_were_signed_before_need_no_key(shop: Shop) -> None:
    wheels = [str(shop.sm89), str(shop.ptx)]
    assert cli.main(["sign", *wheels, "--key", str(shop.key)]) == 0
    assert shop.release("--keys", f"{shop.key}.pub", key=False) == 0


def test_what_somebody_else_put_at_the_root_stays(shop: Shop) -> None:
    assert shop.release() == 0
    (shop.index / "robots.txt").write_text("User-agent: *\n")
    (shop.index / ".well-known").mkdir()
    (shop.index / ".well-known" / "owner").write_text("me\n")
    before = bytes_of(shop.index)
    shop.edit_policy(("Small wheels, proved", "Wheels, proved"))
    assert shop.release() == 0
    after = bytes_of(shop.index)
    assert after["robots.txt"] == before["robots.txt"]
    assert after[".well-known/owner"] == before[".well-known/owner"]
    assert after["index.html"] != before["index.html"]


def test_newer_evidence_is_published_only_when_asked_for(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.release() == 0
    name = f"{shop.sm89.name}.evidence.json"
    before = state_of(shop.index)
    shop.edit_evidence(shop.sm89, lambda d: d["abi"].update(words="looked at again"))
    assert shop.release() == 0
    assert "--renew publishes it" in capsys.readouterr().out
    assert state_of(shop.index) == before
    assert shop.release("--renew") == 0
    assert b"looked at again" in shop.published(name).read_bytes()
    assert (
        state_of(shop.index)[f"files/{shop.sm89.name}"][0] == before[f"files/{shop.sm89.name}"][0]
    )
    assert shop.release() == 0
    assert "nothing is new" in capsys.readouterr().out


def test_the_index_can_be_in_a_folder_that_is_there_and_empty(shop: Shop) -> None:
    shop.index.mkdir()
    assert shop.release() == 0
