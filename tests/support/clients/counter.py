"""A released index on the loopback, with clients before it: what may be planted in it, and undone.

The index is the work of `llamaproof release`: two variants of small wheels, signed, with evidence.
"""

from __future__ import annotations

import contextlib
import html
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from llamaproof.errors import HOLDS
from llamaproof.files import sha256_of
from llamaproof.index.model import PublishedWheel, read_publication
from llamaproof.release.client_check import served
from tests.support.clients.usual_index import write_usual_index
from tests.support.release.shop import Shop, open_shop

PROJECT = "llama-cpp-python"
SM89, PTX = "cu130-sm89", "cu130-ptx"
_LINES = re.compile(r"<pre>(.*?)</pre>", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Counter:
    """An index that is served.

    Attributes:
        root: its folder.
        address: of its root, ending in a slash.
        usual: the address of the index that clients ask besides.
        shop: whose index it is.
    """

    root: Path
    address: str
    usual: str
    shop: Shop

    def wheel(self, variant: str) -> PublishedWheel:
        """The one wheel of a variant."""
        (found,) = read_publication(self.root / "publication.json").of_variant(variant)
        return found

    @property
    def offered_version(self) -> str:
        """The version that the name of the first variant's wheel says, in the folder of files."""
        (found,) = (self.root / "files").glob("*sm89*.whl")
        return found.name.split("-")[1]

    def simple(self, variant: str = "") -> str:
        """The address that a client is given as an index: of a variant, or of all."""
        return f"{self.address}{variant}/simple/" if variant else f"{self.address}simple/"

    def page(self, variant: str = SM89) -> Path:
        """The page that lists the files of the project."""
        return self.root / variant / "simple" / PROJECT / "index.html"

    def file(self, wheel: PublishedWheel, suffix: str = "") -> Path:
        return self.root / "files" / f"{wheel.name}{suffix}"

    def lines_to_install(self, variant: str) -> list[list[str]]:
        """What the page for people tells to type: for each way, its lines."""
        text = (self.root / variant / "index.html").read_text()
        ways = (re.sub(r"</?code>", "", found) for found in _LINES.findall(text))
        found = [html.unescape(way).splitlines() for way in ways]
        return [lines for lines in found if "install" in lines[-1] or "uv add" in lines[-1]]


@contextlib.contextmanager
def open_counter(folder: Path) -> Iterator[Counter]:
    """Release into an empty folder that is served, so that the pages know their address."""
    usual, shop = folder / "usual", open_shop(folder / "shop")
    write_usual_index(usual)
    with served(usual) as elsewhere, served(shop.index) as address:
        shop.edit_policy(("https://wheels.example", address.rstrip("/")))
        assert shop.release() == HOLDS
        yield Counter(root=shop.index, address=address, usual=elsewhere, shop=shop)


@contextlib.contextmanager
def spoilt_copy(counter: Counter, folder: Path) -> Iterator[Counter]:
    """A copy of the index with an address of its own, to plant something in."""
    root = folder / "index"
    shutil.copytree(counter.root, root)
    with served(root) as address:
        yield Counter(root=root, address=address, usual=counter.usual, shop=counter.shop)


def wrong_hash_in_the_page(counter: Counter) -> None:
    """the page states another hash"""
    _edit(counter.page(), counter.wheel(SM89).sha256, "0" * 64)


def other_bytes(counter: Counter) -> None:
    """the wheel has other bytes"""
    with zipfile.ZipFile(counter.file(counter.wheel(SM89)), "a") as archive:
        archive.writestr("llama_cpp/planted.py", "")


def other_bytes_and_hash(counter: Counter) -> None:
    """the wheel has other bytes, and the page their hash"""
    wheel = counter.wheel(SM89)
    other_bytes(counter)
    _edit(counter.page(), wheel.sha256, sha256_of(counter.file(wheel)))


def altered_metadata(counter: Counter) -> None:
    """the METADATA beside the wheel is altered"""
    path = counter.file(counter.wheel(SM89), ".metadata")
    path.write_bytes(path.read_bytes().replace(b"numpy", b"trap"))


def altered_metadata_and_hash(counter: Counter) -> None:
    """that METADATA is altered, and the page has its hash"""
    path = counter.file(counter.wheel(SM89), ".metadata")
    before = sha256_of(path)
    altered_metadata(counter)
    _edit(counter.page(), before, sha256_of(path))


def renamed_to_a_newer_version(counter: Counter) -> None:
    """the file's name says a newer version than its METADATA"""
    _rename(counter, "-1.0+", "-1.1+")


def renamed_to_an_older_platform(counter: Counter) -> None:
    """the file's name says an older platform than its WHEEL"""
    _rename(counter, "manylinux_2_35", "manylinux_2_17")


def yanked(counter: Counter) -> None:
    """the wheel is yanked"""
    _edit(counter.page(), "<a href", '<a data-yanked="it aborts" href')


def page_cut_in_the_middle(counter: Counter) -> None:
    """the page ends in the middle of the hash"""
    page, digest = counter.page(), counter.wheel(SM89).sha256
    text = page.read_text()
    page.write_text(text[: text.index(digest) + 20])


def page_gone(counter: Counter) -> None:
    """the page cannot be had"""
    counter.page().unlink()


# With the version pinned by ==; and what more there is to see without that.
PLANTED = (
    wrong_hash_in_the_page,
    other_bytes,
    other_bytes_and_hash,
    altered_metadata,
    altered_metadata_and_hash,
    renamed_to_a_newer_version,
    renamed_to_an_older_platform,
    yanked,
    page_cut_in_the_middle,
    page_gone,
)
PLANTED_WITHOUT_PIN = (None, yanked, page_cut_in_the_middle, page_gone)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, old
    path.write_text(text.replace(old, new))


def _rename(counter: Counter, old: str, new: str) -> None:
    """Give the wheel's file another name, and name it so in the page."""
    page, wheel = counter.page(), counter.wheel(SM89)
    renamed = wheel.name.replace(old, new)
    counter.file(wheel).rename(counter.root / "files" / renamed)
    _edit(page, quote(wheel.name), quote(renamed))
    # Its text is not escaped as its address is; and no METADATA lies beside it under this name.
    text = page.read_text().replace(html.escape(wheel.name), renamed)
    page.write_text(re.sub(r' data-(core|dist-info)-metadata="[^"]*"', "", text))
