"""Claims: an archive is fetched once, and checked each time before it is opened."""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from build_tools.pin import sdist as archive_module
from build_tools.pin.definition import Pin
from build_tools.pin.sdist import fetch_sdist
from llamaproof.errors import BadInput, CommandFailed
from tests.support.build_tools.sources import (
    FILES,
    names_in,
    sdist,
    silent,
)


def test_a_wrong_archive_in_the_cache_is_never_opened(
    checkout: Path, pin: Pin, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = checkout / ".cache" / "sdist"
    whole = sdist()
    spoiled = whole[:100] + bytes([whole[100] ^ 0xFF]) + whole[101:]
    (cache / pin.sdist_file).write_bytes(spoiled)
    monkeypatch.setattr(tarfile, "open", _must_not_be_called)
    with pytest.raises(BadInput) as caught:
        fetch_sdist(pin, cache, silent)
    assert f"expected sha256 {pin.sdist_sha256}" in caught.value.what
    assert f"found {hashlib.sha256(spoiled).hexdigest()}" in caught.value.what
    assert caught.value.where == str(cache / pin.sdist_file)


def _must_not_be_called(*_args: object, **_kwargs: object) -> None:
    raise AssertionError("the archive was opened")


# A build backend that leaves word when it runs: pip asks it for the archive's metadata.
_BACKEND = """
import os, pathlib
def get_requires_for_build_wheel(config_settings=None):
    return []
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    pathlib.Path(os.environ["BACKEND_RAN"]).touch()
    info = pathlib.Path(folder) / "toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: toy\\nVersion: 1.0\\n")
    return info.name
"""


_BUILDABLE = {
    **FILES,
    "pyproject.toml": b"[build-system]\nrequires = []\nbuild-backend = 'backend'\n"
    b"backend-path = ['.']\n",
    "backend.py": _BACKEND.encode(),
    "PKG-INFO": b"Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n",
}


@pytest.fixture
def served(pin: Pin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Pin, Path]:
    """A pin whose archive pip finds in a folder, with no index to ask."""
    folder = tmp_path / "served"
    folder.mkdir()
    data = sdist(_BUILDABLE)
    (folder / pin.sdist_file).write_bytes(data)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("BACKEND_RAN", str(tmp_path / "backend-ran"))
    digest = hashlib.sha256(data).hexdigest()
    return replace(pin, sdist_sha256=digest, sdist_size=len(data)), tmp_path / "new-cache"


def test_pip_brings_the_archive_into_the_cache(served: tuple[Pin, Path], tmp_path: Path) -> None:
    pin, cache = served
    archive = fetch_sdist(pin, cache, silent)
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == pin.sdist_sha256
    assert names_in(cache) == [pin.sdist_file]
    # What the next test says does not happen with a wrong hash, does with the right one.
    assert (tmp_path / "backend-ran").exists()


def test_pip_does_not_run_the_code_of_an_archive_with_another_hash(
    served: tuple[Pin, Path], tmp_path: Path
) -> None:
    pin, cache = served
    wanted = replace(pin, sdist_sha256="0" * 64)
    with pytest.raises(BadInput) as caught:
        fetch_sdist(wanted, cache, silent)
    assert f"expected sha256 {'0' * 64}, found {pin.sdist_sha256}" in caught.value.what
    assert not (tmp_path / "backend-ran").exists()
    assert names_in(cache) == []


def test_a_release_that_pip_does_not_find_is_an_error_with_its_words(
    served: tuple[Pin, Path],
) -> None:
    pin, cache = served
    with pytest.raises(CommandFailed, match="failed with exit status") as caught:
        fetch_sdist(replace(pin, version="9.9"), cache, silent)
    assert "toy==9.9" in str(caught.value)
    assert names_in(cache) == []


def test_an_archive_of_another_name_is_not_taken(
    served: tuple[Pin, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pin, cache = served
    monkeypatch.setattr(archive_module, "run", lambda *_args, **_kwargs: None)
    with pytest.raises(BadInput, match=r"pip brought \[\], not toy-1.0.tar.gz"):
        fetch_sdist(pin, cache, silent)
