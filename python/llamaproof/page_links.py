"""The links of an HTML page, with all that stands beside them."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

_END = re.compile(r"</html\s*>\s*\Z", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link.

    Attributes:
        url: absolute, without the fragment.
        attributes: of its tag, as they stand; one without a value is empty.
        text: between its tags.
    """

    url: str
    fragment: str
    attributes: Mapping[str, str]
    text: str


def links_of(html: str, url: str) -> tuple[Link, ...] | None:
    """The links of the page at an address; None where it has no end: it was cut off, or is none."""
    if not _END.search(html):
        return None
    page = _Page(url)
    page.feed(html)
    return tuple(page.links)


class _Page(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._base = url
        self._in_link = False
        self.links: list[Link] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "base" and named.get("href"):
            self._base = urllib.parse.urljoin(self._base, named["href"])
        if tag == "a":
            address = urllib.parse.urljoin(self._base, named.get("href", ""))
            url, fragment = urllib.parse.urldefrag(address)
            self.links.append(Link(url=url, fragment=fragment, attributes=named, text=""))
            self._in_link = True

    def handle_data(self, data: str) -> None:
        if self._in_link:
            last = self.links[-1]
            self.links[-1] = Link(
                url=last.url,
                fragment=last.fragment,
                attributes=last.attributes,
                text=last.text + data,
            )

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._in_link = False
