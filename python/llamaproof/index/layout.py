"""Where each file of an index lies below its root; no name here depends on the server."""

from __future__ import annotations

from urllib.parse import quote

from packaging.utils import canonicalize_name

FILES = "files"
SIMPLE = "simple"
PUBLICATION = "publication.json"
HISTORY = "history.json"
KEYS = "keys.json"
PAGE_FOR_PEOPLE = "index.html"


def simple_root(variant: str = "") -> str:
    """The folder that pip is given as its index: of one variant, or of all."""
    return f"{variant}/{SIMPLE}" if variant else SIMPLE


def project_folder(project: str, variant: str = "") -> str:
    """The folder of a project's page, under the name that PEP 503 makes of it."""
    return f"{simple_root(variant)}/{canonicalize_name(project)}"


def file_path(name: str) -> str:
    """A wheel, or what lies beside it; every page points here."""
    return f"{FILES}/{name}"


def file_url(name: str) -> str:
    """The same as a link is written: some servers read a plus as a space."""
    return quote(file_path(name), safe="/")
