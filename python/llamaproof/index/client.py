"""An index as a client reads it: over its address, by its pages alone.

It knows nothing of how the pages were made. What it reads as a page must be whole: a client that
takes half a page misses wheels without a word.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from llamaproof.download import opened
from llamaproof.errors import DefectFound
from llamaproof.page_links import Link, links_of

_BLOCK = 1 << 20
_LARGEST_PAGE = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A file that a page offers.

    Attributes:
        address: without the fragment.
        sha256: from the fragment; empty without one.
        requires_python: empty without one.
        metadata_sha256: of the file beside it that ends in `.metadata`; empty without one.
        yanked: the reason, which may be empty; None where it is not yanked.
    """

    name: str
    address: str
    sha256: str
    requires_python: str
    metadata_sha256: str
    yanked: str | None


def read_projects(root: str) -> tuple[str, ...]:
    """The projects that a simple root lists, as its page links them.

    Raises:
        DefectFound: the page is not whole.
        LlamaproofError: it cannot be fetched.
    """
    return tuple(link.attributes["href"].rstrip("/") for link in _links(root))


def read_projects_json(page: str) -> tuple[str, ...]:
    """The same, as the JSON at an address tells it.

    Raises:
        DefectFound: it is no whole document of PEP 691.
        LlamaproofError: it cannot be fetched.
    """
    try:
        return tuple(str(project["name"]) for project in json.loads(fetch(page))["projects"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DefectFound(f"the page is damaged: {error!r}", where=page) from error


def read_project(page: str) -> tuple[Offered, ...]:
    """The files that a project's page offers.

    Args:
        page: its address, ending in a slash or in the name of the file.

    Raises:
        DefectFound: the page is not whole.
        LlamaproofError: it cannot be fetched.
    """
    return tuple(_offered(link) for link in _links(page))


def read_project_json(page: str) -> tuple[Offered, ...]:
    """The same, as the JSON at an address tells it.

    Raises:
        DefectFound: it is no whole document of PEP 691.
        LlamaproofError: it cannot be fetched.
    """
    try:
        document = json.loads(fetch(page))
        return tuple(_offered_by_json(page, file) for file in document["files"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DefectFound(f"the page is damaged: {error!r}", where=page) from error


def fetch(address: str) -> bytes:
    """A page, or a small file.

    Raises:
        DefectFound: it is larger than any page.
        LlamaproofError: it cannot be fetched.
    """
    with opened(address) as answer:
        data: bytes = answer.read(_LARGEST_PAGE + 1)
    if len(data) > _LARGEST_PAGE:
        raise DefectFound("this is too large to be a page", where=address)
    return data


def fetch_sha256(address: str) -> tuple[str, int]:
    """The SHA-256 of a file, in hex, and its size in bytes; it is not kept.

    Raises:
        LlamaproofError: it cannot be fetched.
    """
    digest = hashlib.sha256()
    size = 0
    with opened(address) as answer:
        while block := answer.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def _links(address: str) -> tuple[Link, ...]:
    try:
        links = links_of(fetch(address).decode("utf-8"), address)
    except UnicodeDecodeError as error:
        raise DefectFound(f"the page is no text: {error}", where=address) from error
    if links is None:
        raise DefectFound(
            "the page is cut off: it has no end", where=address, hint="publish the index anew"
        )
    return links


def _offered(link: Link) -> Offered:
    algorithm, _, digest = link.fragment.partition("=")
    metadata = link.attributes.get("data-core-metadata", "")
    return Offered(
        name=link.text.strip(),
        address=link.url,
        sha256=digest if algorithm == "sha256" else "",
        requires_python=link.attributes.get("data-requires-python", ""),
        metadata_sha256=metadata.removeprefix("sha256="),
        yanked=link.attributes.get("data-yanked"),
    )


def _offered_by_json(page: str, file: Mapping[str, Any]) -> Offered:
    yanked = file.get("yanked", False)
    metadata = file.get("core-metadata") or {}
    return Offered(
        name=file["filename"],
        address=urljoin(page, file["url"]),
        sha256=file["hashes"].get("sha256", ""),
        requires_python=file.get("requires-python", ""),
        metadata_sha256=metadata.get("sha256", ""),
        yanked=None if yanked is False else "" if yanked is True else yanked,
    )
