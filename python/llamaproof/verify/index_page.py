"""The links of an index's page, as PEP 503 (HTML) and PEP 691 (JSON) have them."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llamaproof.download import Page
from llamaproof.errors import BadInput
from llamaproof.page_links import Link, links_of
from llamaproof.reports import strict_json

_HASH = re.compile(r"sha256=([0-9a-fA-F]{64})")


@dataclass(frozen=True, kw_only=True)
class WheelLink:
    """A wheel that a page names.

    Attributes:
        url: absolute, without a fragment.
        sha256: that the page gives, in hex; empty for none.
        metadata_sha256: of its METADATA file, as the page gives it; empty for none.
        yanked: why it is not to be taken; None where it may be.
    """

    url: str
    sha256: str = ""
    metadata_sha256: str = ""
    yanked: str | None = None

    @property
    def name(self) -> str:
        """Its file name."""
        return urllib.parse.unquote(urllib.parse.urlsplit(self.url).path.rpartition("/")[2])


@dataclass(frozen=True, kw_only=True)
class IndexPage:
    """The wheels of a page, and the pages that lie below it; its own address after redirects."""

    url: str
    wheels: tuple[WheelLink, ...]
    below: tuple[str, ...]


def link_of(url: str) -> WheelLink:
    """A wheel's own address, with its hash where the fragment has one."""
    plain, _, fragment = url.partition("#")
    return WheelLink(url=plain, sha256=_hash(fragment))


def parse_page(page: Page) -> IndexPage:
    """The links of a page.

    Raises:
        BadInput: it is no page of an index, or was cut off.
    """
    text = page.data.decode("utf-8", errors="replace")
    if "json" in page.content_type or text.lstrip().startswith("{"):
        return _of_json(text, page.url)
    links = links_of(text, page.url)
    if links is None:
        raise BadInput(
            "the page does not end as HTML does: it is none, or was cut off",
            where=page.url,
            hint="try again; if it stays so, tell whoever keeps the index",
        )
    return _sorted_out(links, page.url)


def _of_json(text: str, url: str) -> IndexPage:
    try:
        members = strict_json.parse(text)
        links = [_json_link(file, url) for file in members.get("files", [])]
        projects = [f"{project['name']}/" for project in members.get("projects", [])]
    except (ValueError, KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise BadInput(f"the page is no index: {error!r}", where=url) from error
    below = tuple(urllib.parse.urljoin(url, name) for name in projects)
    return IndexPage(
        url=url, wheels=tuple(one for one in links if one.name.endswith(".whl")), below=below
    )


def _json_link(file: Mapping[str, Any], url: str) -> WheelLink:
    metadata = file.get("core-metadata")
    yanked = file.get("yanked", False)
    return WheelLink(
        url=urllib.parse.urljoin(url, str(file["url"])).partition("#")[0],
        sha256=str(file["hashes"].get("sha256", "")).lower(),
        metadata_sha256=str(metadata.get("sha256", "")) if isinstance(metadata, dict) else "",
        yanked=(yanked if isinstance(yanked, str) else "") if yanked is not False else None,
    )


def _sorted_out(links: Iterable[Link], page: str) -> IndexPage:
    """Wheels, with what PEP 503, 592 and 714 write beside them, and the pages below."""
    wheels = []
    below = []
    for link in links:
        named = link.attributes
        if not named.get("href"):
            continue
        if urllib.parse.urlsplit(link.url).path.endswith(".whl"):
            metadata = named.get("data-core-metadata") or named.get("data-dist-info-metadata") or ""
            wheels.append(
                WheelLink(
                    url=link.url,
                    sha256=_hash(link.fragment),
                    metadata_sha256=_hash(metadata),
                    yanked=named.get("data-yanked"),
                )
            )
        elif link.url.startswith(_folder(page)) and link.url.endswith("/"):
            below.append(link.url)
    return IndexPage(url=page, wheels=tuple(wheels), below=tuple(_once(below, _folder(page))))


def _once(urls: list[str], but: str) -> Iterator[str]:
    return (url for url in dict.fromkeys(urls) if url != but)


def _folder(url: str) -> str:
    return url.partition("#")[0].partition("?")[0].rpartition("/")[0] + "/"


def _hash(text: str) -> str:
    match = _HASH.search(text)
    return match.group(1).lower() if match else ""
