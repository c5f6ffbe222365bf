"""The pages that pip and uv read: PEP 503 as HTML, and PEP 691 as JSON beside it.

HTML is the form that any web server can serve: JSON needs a Content-Type of its own, which static
hosting does not give. So `index.html` is what a client finds, and `index.json` lies beside it for
programs that ask for it by name. Every link is relative: the root may lie under any address.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from llamaproof.index.layout import file_path, project_folder, simple_root
from llamaproof.index.model import Publication, PublishedWheel

if TYPE_CHECKING:
    from jinja2 import Template

# 1.1 brings `versions` and `size`, by PEP 700.
_API = {"api-version": "1.1"}


@dataclass(frozen=True, kw_only=True)
class _Link:
    text: str
    href: str
    attributes: Mapping[str, str]


def simple_pages(publication: Publication) -> dict[str, bytes]:
    """Every page for programs, by its path below the root: of all wheels, and of each variant."""
    roots = ("", *(variant.name for variant in publication.variants))
    return dict(page for root in roots for page in _pages_of_root(publication, root))


def _pages_of_root(publication: Publication, variant: str) -> Iterator[tuple[str, bytes]]:
    """Args: variant: empty for the root of all wheels."""
    wheels = publication.of_variant(variant)
    projects = sorted({wheel.project for wheel in wheels})
    folder = simple_root(variant)
    links = [_Link(text=name, href=f"{name}/", attributes={}) for name in projects]
    yield f"{folder}/index.html", _html("Simple index", links)
    yield f"{folder}/index.json", _json(projects=[{"name": name} for name in projects])
    for project in projects:
        here = project_folder(project, variant)
        up = "../" * (here.count("/") + 1)
        own = publication.of_project(project, variant)
        yield f"{here}/index.html", _html(f"Links for {project}", [_link(w, up) for w in own])
        yield (
            f"{here}/index.json",
            _json(
                name=project,
                versions=list(dict.fromkeys(wheel.version for wheel in own)),
                files=[_file(wheel, up) for wheel in own],
            ),
        )


def _address(wheel: PublishedWheel, up: str) -> str:
    # A plus would be read as a space by some servers: nothing but what is plain everywhere is left.
    return up + quote(file_path(wheel.name), safe="/")


def _link(wheel: PublishedWheel, up: str) -> _Link:
    attributes = {}
    if wheel.requires_python:
        attributes["data-requires-python"] = wheel.requires_python
    metadata = wheel.sidecar("metadata")
    if metadata is not None:
        # The second is the name that clients from before PEP 714 know.
        attributes["data-core-metadata"] = f"sha256={metadata.sha256}"
        attributes["data-dist-info-metadata"] = f"sha256={metadata.sha256}"
    if wheel.yanked is not None:
        attributes["data-yanked"] = wheel.yanked
    href = f"{_address(wheel, up)}#sha256={wheel.sha256}"
    return _Link(text=wheel.name, href=href, attributes=attributes)


def _file(wheel: PublishedWheel, up: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "filename": wheel.name,
        "url": _address(wheel, up),
        "hashes": {"sha256": wheel.sha256},
        "size": wheel.size,
        "upload-time": wheel.published,
        # A reason that says nothing would be no text to PEP 691, but a no.
        "yanked": False if wheel.yanked is None else wheel.yanked or True,
    }
    if wheel.requires_python:
        found["requires-python"] = wheel.requires_python
    metadata = wheel.sidecar("metadata")
    if metadata is not None:
        # Its older name is left out: pip before 23.2 fails on it.
        found["core-metadata"] = {"sha256": metadata.sha256}
    return found


def _html(title: str, links: Sequence[_Link]) -> bytes:
    return _template().render(title=title, links=links).encode()


def _json(**members: Any) -> bytes:
    document = {"meta": _API, **members}
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("llamaproof.index"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("links.html.j2")
