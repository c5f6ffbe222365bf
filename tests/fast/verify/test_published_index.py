"""Of an index that `release` wrote, anybody sees that it holds, and what was done to it since."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from llamaproof import cli
from llamaproof.release.client_check import served
from tests.support.release.shop import EPOCH, Shop, open_shop


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", EPOCH)
        shop = open_shop(tmp_path_factory.mktemp("released") / "shop")
        assert shop.release() == 0
        yield shop


@pytest.fixture
def shop(released: Shop, tmp_path: Path) -> Shop:
    """A copy of it that a test may spoil."""
    shutil.copytree(released.folder, tmp_path / "shop")
    return Shop(folder=tmp_path / "shop", wheels=released.wheels)


def verify(shop: Shop, place: str, *more: str) -> int:
    return cli.main(["verify", place, "--key", str(shop.index / "keys.json"), *more])


@pytest.mark.parametrize("page", ["", "simple/", "simple/llama-cpp-python/", "cu130-ptx/simple/"])
def test_every_page_of_it_holds(shop: Shop, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    with served(shop.index) as address:
        assert verify(shop, f"{address}{page}") == 0
    said = capsys.readouterr().out
    assert "cu130.ptx" in said
    assert ("cu130.sm89" in said) == ("ptx" not in page)


def test_its_files_hold_without_a_server(shop: Shop) -> None:
    assert verify(shop, str(shop.index / "files")) == 0
    assert verify(shop, (shop.index / "simple").as_uri()) == 0


def test_a_changed_byte_of_a_published_wheel(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = shop.published(shop.sm89.name)
    data = bytearray(wheel.read_bytes())
    data[-1] ^= 1
    wheel.write_bytes(data)
    with served(shop.index) as address:
        assert verify(shop, f"{address}simple/") == 1
    assert "was promised" in capsys.readouterr().out


def test_wheels_that_changed_places(shop: Shop, tmp_path: Path) -> None:
    one, two = (shop.published(name.name) for name in (shop.sm89, shop.ptx))
    shutil.move(one, tmp_path / "moved")
    shutil.move(two, one)
    shutil.move(tmp_path / "moved", two)
    found = tmp_path / "found.json"
    assert verify(shop, str(shop.index / "files"), "--json", str(found)) == 1
    codes = {
        finding["code"]
        for wheel in json.loads(found.read_text())["wheels"]
        for finding in wheel["findings"]
        if finding["outcome"] == "a defect was found"
    }
    assert {"wheel.version", "provenance.other-bytes", "evidence.other-bytes"} <= codes


def test_a_page_cut_off_in_the_middle(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    page = shop.index / "simple" / "llama-cpp-python" / "index.html"
    page.write_bytes(page.read_bytes()[:-30])
    with served(shop.index) as address:
        assert verify(shop, f"{address}simple/") == 2
    assert "was cut off" in capsys.readouterr().err


def test_keys_of_somebody_else_beside_the_wheels(shop: Shop, tmp_path: Path) -> None:
    """Whoever has the server can put his own keys there: the ones that are trusted decide."""
    trusted = tmp_path / "trusted.json"
    shutil.copy(shop.index / "keys.json", trusted)
    stranger = tmp_path / "stranger"
    keys = str(tmp_path / "strangers.json")
    assert cli.main(["keys", "new", str(stranger), "--keys", keys]) == 0
    wheel = shop.published(shop.sm89.name)
    assert cli.main(["sign", str(wheel), "--key", str(stranger)]) == 0
    assert cli.main(["verify", str(wheel), "--key", keys]) == 0
    assert cli.main(["verify", str(wheel), "--key", str(trusted)]) == 1
    assert cli.main(["keys", "show", keys, "--against", str(trusted)]) == 1
