"""The wheels of an index: its page, or the pages below its root."""

from __future__ import annotations

import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from llamaproof.download import Page, fetch_page
from llamaproof.errors import BadInput
from llamaproof.verify.index_page import WheelLink, link_of, parse_page

# From a root over a variant and `simple/` to a project.
_DEPTH = 4
_MOST_PAGES = 500
# Where an index has its pages for pip and uv.
_FOR_CLIENTS = "simple/"


def wheels_at(url: str) -> Iterator[WheelLink]:
    """The wheels at an address: the one that it is of, or those of the index there, each once.

    Raises:
        BadInput: there is no wheel, or a page is none of an index.
        LlamaproofError: a page could not be fetched.
    """
    if urllib.parse.urlsplit(url).path.endswith(".whl"):
        yield link_of(url)
        return
    found: dict[str, WheelLink] = {}
    asked: set[str] = set()
    level = [url]
    for _ in range(_DEPTH):
        below: list[str] = []
        for address in level:
            if address in asked or len(asked) >= _MOST_PAGES:
                continue
            asked.add(address)
            page = parse_page(_page(address))
            below += page.below
            if address == url and not page.wheels and not page.below:
                # A page for people, at the root.
                below.append(urllib.parse.urljoin(page.url, _FOR_CLIENTS))
            for link in page.wheels:
                _require_same_kind(address, link.url)
                found.setdefault(link.url, link)
        level = below
    if not found:
        raise BadInput(
            "no wheel is named there", where=url, hint="give the page of a project, or a wheel"
        )
    yield from found.values()


def _require_same_kind(page: str, link: str) -> None:
    """A page of a server must not send anybody to his own files."""
    if urllib.parse.urlsplit(link).scheme == "file" and not page.startswith("file:"):
        raise BadInput(f"the page leads to {link}, and that is not followed", where=page)


def _page(url: str) -> Page:
    """A page; a folder of files has no server to find its index.html."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file" and Path(urllib.request.url2pathname(parts.path)).is_dir():
        return fetch_page(f"{url.rstrip('/')}/index.html")
    return fetch_page(url)
