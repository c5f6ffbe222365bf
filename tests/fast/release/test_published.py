"""Claims: published files never change, whoever changes them; a yanked wheel says why."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from llamaproof import cli
from llamaproof.index import client
from llamaproof.index.model import read_publication
from llamaproof.release.client_check import check_index, served
from tests.support.release import shop as shops
from tests.support.release.shop import Shop, bytes_of, state_of


@pytest.fixture
def published(shop: Shop) -> Shop:
    assert shop.release() == 0
    return shop


def flip(path: Path, place: int = -1) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def test_other_bytes_under_a_published_name_are_refused(
    published: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state_of(published.index)
    flip_comment(published.sm89)
    shops.write_evidence(published.sm89, "cu130-sm89")
    assert published.release() == 1
    assert "[published.other-bytes]" in capsys.readouterr().out
    assert state_of(published.index) == before


def flip_comment(wheel: Path) -> None:
    """Other bytes of a wheel that is right: the comment at the end of the archive."""
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.comment = b"built again"


def test_a_name_that_was_taken_out_does_not_come_back_with_other_bytes(
    published: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody takes a wheel out of the index by hand; only the history remembers it."""
    publication = published.index / "publication.json"
    document = json.loads(publication.read_text())
    document["wheels"] = [one for one in document["wheels"] if one["name"] != published.sm89.name]
    publication.write_text(json.dumps(document))
    for path in (published.index / "files").glob(f"{published.sm89.name}*"):
        path.unlink()
    flip_comment(published.sm89)
    shops.write_evidence(published.sm89, "cu130-sm89")
    assert published.release() == 1
    assert "[published.other-bytes]" in capsys.readouterr().out


def test_an_index_without_its_history_is_refused(
    published: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    (published.index / "history.json").unlink()
    assert published.release() == 2
    assert "the index has no history" in capsys.readouterr().err


@pytest.mark.parametrize("end", ["", ".metadata", ".evidence.json", ".provenance.json"])
def test_a_changed_byte_of_a_published_file_is_noticed(
    published: Shop, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(published.published(published.sm89.name + end))
    (published.dist / published.sm89.name).unlink()
    before = state_of(published.index)
    assert published.release() == 1
    said = capsys.readouterr().out
    assert "[published.changed]" in said
    assert f"{published.sm89.name}{end}\n  it was published with the sha256" in said
    assert state_of(published.index) == before


def test_a_published_file_that_is_gone_is_noticed(
    published: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    published.published(published.ptx.name).unlink()
    (published.dist / published.ptx.name).unlink()
    assert published.release() == 1
    assert "[published.gone]" in capsys.readouterr().out


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_a_wheel_that_is_given_again_is_put_back(published: Shop, damage: object) -> None:
    before = bytes_of(published.index)
    assert callable(damage)
    damage(published.published(published.sm89.name))
    assert published.release() == 0
    assert bytes_of(published.index) == before


@pytest.mark.parametrize("page", ["cu130-sm89/simple/llama-cpp-python/index.html", "index.html"])
def test_a_page_cut_off_is_written_anew(published: Shop, page: str) -> None:
    path = published.index / page
    before = bytes_of(published.index)
    path.write_bytes(path.read_bytes()[:200])
    assert published.release("--dry-run") == 0
    assert bytes_of(published.index) != before
    assert published.release() == 0
    assert bytes_of(published.index) == before


def test_a_client_notices_what_is_wrong_with_an_index(published: Shop) -> None:
    publication = read_publication(published.index / "publication.json")
    page = published.index / "cu130-ptx/simple/llama-cpp-python/index.html"
    wheel = published.published(published.ptx.name)

    def found() -> list[str]:
        with served(published.index) as address:
            return [one.code for one in check_index(address, publication, lambda _: None)]

    assert found() == []
    whole = page.read_bytes()
    json_page = page.with_name("index.json").read_bytes()
    page.write_bytes(whole[: len(whole) // 2])
    assert found() == ["index.page"]
    other = published.index / "cu130-sm89/simple/llama-cpp-python/index.html"
    page.write_bytes(other.read_bytes())
    assert found() == ["index.json", "index.missing", "index.extra"]
    page.write_bytes(whole.replace(b"#sha256=", b"#sha256=0"))
    assert found() == ["index.json", "index.link"]
    page.with_name("index.json").unlink()
    page.write_bytes(whole)
    assert found() == ["index.page"]
    page.with_name("index.json").write_bytes(json_page)
    flip(wheel)
    assert found() == ["index.other-bytes"]


def test_a_yanked_wheel_says_why_and_can_be_taken_back(
    published: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    before = bytes_of(published.index)
    name = published.sm89.name
    place = ("--index", str(published.index))
    assert cli.main(["yank", name, "--reason", "it aborts on <T4>", *place]) == 0
    with served(published.index) as address:
        (offered,) = client.read_project(f"{address}cu130-sm89/simple/llama-cpp-python/")
    assert offered.yanked == "it aborts on <T4>"
    yanked = bytes_of(published.index)
    assert {n: d for n, d in yanked.items() if n.startswith("files/")} == {
        n: d for n, d in before.items() if n.startswith("files/")
    }
    assert published.release() == 0
    assert bytes_of(published.index) == yanked
    assert cli.main(["yank", name, "--reason", "it aborts on <T4>", *place]) == 0
    assert "nothing is new" in capsys.readouterr().out
    assert cli.main(["yank", name, "--undo", *place]) == 0
    assert bytes_of(published.index) == before


def test_a_yank_of_what_is_not_published_is_refused(
    published: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("--index", str(published.index))
    assert cli.main(["yank", "other.whl", "--reason", "x", *place]) == 2
    assert "no wheel of this name is published" in capsys.readouterr().err
    assert cli.main(["yank", published.sm89.name, "--reason", " ", *place]) == 2
    assert cli.main(["yank", "a.whl", "--undo", "--index", str(published.dist / "no")]) == 2
