"""Claims: the pages for programs say what is published, escaped, and link only within the index."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

import pytest

from llamaproof.index.simple import simple_pages
from tests.support.index.publications import PUBLICATION

PAGES = simple_pages(PUBLICATION)
PROJECT_PAGES = [path for path in PAGES if path.endswith("llama-cpp-python/index.html")]


class Links(HTMLParser):
    """The attributes of each link of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append(dict(attrs))


def links(path: str) -> list[dict[str, str | None]]:
    return Links(PAGES[path]).found


def project(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PAGES[path])
    return found


def test_there_is_a_root_of_all_and_one_of_each_variant() -> None:
    folders = {str(PurePosixPath(path).parent) for path in PAGES}
    assert folders == {
        *("simple", "simple/llama-cpp-python"),
        *("cu130-sm89/simple", "cu130-sm89/simple/llama-cpp-python"),
        *("cu120-sm89/simple", "cu120-sm89/simple/llama-cpp-python"),
    }
    assert all(path.endswith(("/index.html", "/index.json")) for path in PAGES)


def test_a_variants_page_serves_that_variant_alone() -> None:
    (cuda_13,) = links("cu130-sm89/simple/llama-cpp-python/index.html")
    (cuda_12,) = links("cu120-sm89/simple/llama-cpp-python/index.html")
    assert "cu130.sm89" in str(cuda_13["href"])
    assert "cu120.sm89" in str(cuda_12["href"])
    assert links("simple/llama-cpp-python/index.html") == [
        {**one, "href": str(one["href"]).removeprefix("../")} for one in (cuda_13, cuda_12)
    ]


@pytest.mark.parametrize(
    "root", ["https://a.example/", "https://a.example/some/where/", "file:///x/"]
)
@pytest.mark.parametrize("path", PROJECT_PAGES)
def test_every_link_leads_to_the_file_under_any_address(root: str, path: str) -> None:
    for link in links(path):
        address, fragment = urldefrag(urljoin(root + path, str(link["href"])))
        name = unquote(address).removeprefix(f"{root}files/")
        (wheel,) = (wheel for wheel in PUBLICATION.wheels if wheel.name == name)
        assert fragment == f"sha256={wheel.sha256}"


def test_a_plus_is_written_so_that_no_server_takes_it_for_a_space() -> None:
    assert all("+" not in str(link["href"]) for path in PROJECT_PAGES for link in links(path))


def test_a_link_says_all_that_a_client_looks_for_before_it_fetches() -> None:
    (link,) = links("cu120-sm89/simple/llama-cpp-python/index.html")
    assert link["data-requires-python"] == ">=3.8"
    assert link["data-core-metadata"] == link["data-dist-info-metadata"] == f"sha256={'b' * 64}"
    assert link["data-yanked"] == "it aborts on <T4> & others"
    assert b"&lt;T4&gt; &amp; others" in PAGES["cu120-sm89/simple/llama-cpp-python/index.html"]
    assert b'data-requires-python="&gt;=3.8"' in PAGES["simple/llama-cpp-python/index.html"]


def test_what_is_not_yanked_has_no_mark_of_it() -> None:
    (link,) = links("cu130-sm89/simple/llama-cpp-python/index.html")
    assert "data-yanked" not in link


def test_the_json_says_the_same_as_the_html() -> None:
    for path in PROJECT_PAGES:
        document = project(path.replace(".html", ".json"))
        assert document["meta"] == {"api-version": "1.1"}
        assert document["name"] == "llama-cpp-python"
        for link, file in zip(links(path), document["files"], strict=True):
            assert link["href"] == f"{file['url']}#sha256={file['hashes']['sha256']}"
            assert link["data-core-metadata"] == f"sha256={file['core-metadata']['sha256']}"
            assert link.get("data-yanked", False) == file["yanked"]
            assert link["data-requires-python"] == file["requires-python"]
            assert file["size"] == 123_456_789
            assert file["upload-time"] == "2026-11-30T22:15:00Z"
            assert "dist-info-metadata" not in file


def test_the_json_lists_projects_and_versions() -> None:
    assert project("simple/index.json")["projects"] == [{"name": "llama-cpp-python"}]
    assert project("simple/llama-cpp-python/index.json")["versions"] == [
        "0.3.16+llamaproof.18.cu130.sm89",
        "0.3.16+llamaproof.18.cu120.sm89",
    ]


def test_a_wheel_that_is_yanked_without_a_reason_is_yanked_in_both_forms() -> None:
    (first, *others) = PUBLICATION.wheels
    silent = dataclasses.replace(first, yanked="")
    pages = simple_pages(dataclasses.replace(PUBLICATION, wheels=(silent, *others)))
    page = "cu130-sm89/simple/llama-cpp-python/index"
    assert Links(pages[f"{page}.html"]).found[0]["data-yanked"] == ""
    assert json.loads(pages[f"{page}.json"])["files"][0]["yanked"] is True


def test_a_page_is_the_same_each_time_and_ends() -> None:
    assert simple_pages(PUBLICATION) == PAGES
    ends = {path: page[-8:] for path, page in PAGES.items() if path.endswith(".html")}
    assert set(ends.values()) == {b"</html>\n"}
