"""An index comes back from its server whole, each file as the index says, or not at all."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from llamaproof.errors import BadInput, DefectFound, LlamaproofError
from llamaproof.index.fetch import fetch_index
from llamaproof.index.model import Publication
from tests.support.index.publications import PUBLICATION


def content(name: str) -> bytes:
    return f"the bytes of {name}".encode()


def digest(name: str) -> str:
    return sha256(content(name)).hexdigest()


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, Publication]:
    """A folder as a server has it: documents, wheels and what lies beside them."""
    wheels = tuple(
        replace(
            wheel,
            sha256=digest(wheel.name),
            sidecars=tuple(replace(s, sha256=digest(s.name)) for s in wheel.sidecars),
        )
        for wheel in PUBLICATION.wheels
    )
    found = replace(PUBLICATION, wheels=wheels)
    folder = tmp_path / "published"
    (folder / "files").mkdir(parents=True)
    (folder / "publication.json").write_text(json.dumps(found.json()))
    (folder / "history.json").write_text("{}")
    (folder / "keys.json").write_text("{}")
    for wheel in wheels:
        for name in (wheel.name, *(sidecar.name for sidecar in wheel.sidecars)):
            (folder / "files" / name).write_bytes(content(name))
    return folder, found


@pytest.fixture
def address(published: tuple[Path, Publication]) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(published[0]))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def fetch(address: str, folder: Path) -> list[str]:
    told: list[str] = []
    fetch_index(address, folder, lambda _, name: told.append(name))
    return told


def test_every_file_comes_back_as_it_was(
    published: tuple[Path, Publication], address: str, tmp_path: Path
) -> None:
    told = fetch(address, tmp_path / "deep" / "index")
    names = sorted(path.name for path in (published[0] / "files").iterdir())
    assert sorted(told) == names
    for path in published[0].rglob("*"):
        if path.is_file():
            there = tmp_path / "deep" / "index" / path.relative_to(published[0])
            assert there.read_bytes() == path.read_bytes()


def test_planted_a_changed_byte_is_refused_and_nothing_is_left(
    published: tuple[Path, Publication], address: str, tmp_path: Path
) -> None:
    wheel = published[1].wheels[0]
    (published[0] / "files" / wheel.name).write_bytes(b"other")
    with pytest.raises(DefectFound, match="and the index says"):
        fetch(address, tmp_path / "index")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["published"]


@pytest.mark.parametrize("gone", ["publication.json", "keys.json", "files"])
def test_planted_what_cannot_be_fetched_leaves_nothing(
    published: tuple[Path, Publication], address: str, tmp_path: Path, gone: str
) -> None:
    (published[0] / gone).rename(tmp_path / "elsewhere")
    with pytest.raises(LlamaproofError, match="cannot be fetched"):
        fetch(address, tmp_path / "index")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "published"]


def test_planted_a_name_that_leads_out_of_the_folder_is_refused(
    published: tuple[Path, Publication], address: str, tmp_path: Path
) -> None:
    wheel = replace(published[1].wheels[0], name="../../escaped.whl")
    changed = replace(published[1], wheels=(wheel,))
    (published[0] / "publication.json").write_text(json.dumps(changed.json()))
    with pytest.raises(BadInput, match="is no file's name"):
        fetch(address, tmp_path / "index")


def test_an_index_that_is_there_is_left_alone(address: str, tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    with pytest.raises(BadInput, match="there already"):
        fetch(address, tmp_path / "index")
