"""Claims: a package of Debian comes by its hash, from apt or from the user; where it cannot be had,
the words say how to give it; and what is not the package is never unpacked."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from build_tools.toolkit import debian
from build_tools.toolkit.debian import fetch_deb, load_package, unpack_deb
from llamaproof.errors import BadInput
from tests.support.build_tools.debian_packages import deb, package_of, write_mirror
from tests.support.build_tools.sources import names_in, silent
from tests.support.needs import CHECKOUT

CONTENT = deb({"usr/bin/nvcc": b"the compiler", "usr/share/doc/copyright": b"words"})
PACKAGE = package_of(CONTENT)

needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt-get here")


def serve(monkeypatch: pytest.MonkeyPatch, *mirrors: str) -> None:
    monkeypatch.setattr(debian, "_mirrors", lambda _package: mirrors)


@needs_apt
def test_apt_brings_the_package_once_and_leaves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = write_mirror(tmp_path / "other", package_of(CONTENT, version="9-9"), CONTENT)
    serve(monkeypatch, empty, write_mirror(tmp_path / "mirror", PACKAGE, CONTENT))
    cache = tmp_path / "cache"
    kept = fetch_deb(PACKAGE, cache, None, silent)
    assert kept.read_bytes() == CONTENT
    assert names_in(cache) == [PACKAGE.file]
    serve(monkeypatch)
    assert fetch_deb(PACKAGE, cache, None, silent) == kept


@needs_apt
def test_other_bytes_from_a_mirror_are_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = deb({"usr/bin/nvcc": b"another compiler"})
    serve(monkeypatch, write_mirror(tmp_path / "mirror", PACKAGE, other))
    with pytest.raises(BadInput, match=f"expected sha256 {PACKAGE.sha256}"):
        fetch_deb(PACKAGE, tmp_path / "cache", None, silent)
    assert names_in(tmp_path / "cache") == []


@needs_apt
def test_where_no_mirror_has_it_the_words_say_how_to_give_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, write_mirror(tmp_path, package_of(CONTENT, version="9-9"), CONTENT))
    with pytest.raises(BadInput, match=r"no mirror of this system's apt has toy 1.2-3") as caught:
        fetch_deb(PACKAGE, tmp_path / "cache", None, silent)
    assert "CUDA_DEB=FILE" in caught.value.hint and PACKAGE.sha256 in caught.value.hint
    assert names_in(tmp_path / "cache") == []


def test_where_there_is_no_apt_the_words_say_how_to_give_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="there is no apt here") as caught:
        fetch_deb(PACKAGE, tmp_path / "cache", None, silent)
    assert "CUDA_DEB=FILE" in caught.value.hint and "CUDA_HOME=FOLDER" in caught.value.hint


def test_the_users_own_file_is_taken_if_it_is_the_package(tmp_path: Path) -> None:
    given = tmp_path / "mine.deb"
    given.write_bytes(CONTENT)
    assert fetch_deb(PACKAGE, tmp_path / "cache", given, silent) == given
    given.write_bytes(CONTENT[:-1])
    with pytest.raises(BadInput, match=r"mine\.deb is not toy_"):
        fetch_deb(PACKAGE, tmp_path / "cache", given, silent)


def test_a_spoilt_file_in_the_cache_is_not_used(tmp_path: Path) -> None:
    (tmp_path / PACKAGE.file).write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(BadInput) as caught:
        fetch_deb(PACKAGE, tmp_path, None, silent)
    assert "delete the file" in caught.value.hint


def test_only_what_is_named_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "toy.deb"
    path.write_bytes(CONTENT)
    unpack_deb(path, ["usr/bin/nvcc"], tmp_path / "out")
    found = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert [p.read_bytes() for p in found] == [b"the compiler"]
    with pytest.raises(BadInput, match="the package lacks usr/bin/ptxas"):
        unpack_deb(path, ["usr/bin/ptxas"], tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"PK", CONTENT[:100]], ids=["empty", "a zip", "cut off"])
def test_what_is_no_package_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "toy.deb"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="Debian package"):
        unpack_deb(path, ["usr/bin/nvcc"], tmp_path / "out")


def test_the_lock_names_a_file_by_its_version_and_architecture() -> None:
    package = load_package(CHECKOUT / "requirements" / "cuda12.deb.toml")
    expected = f"{package.package}_{package.version}_{package.architecture}.deb"
    assert package.file == expected
    assert replace(package, sha256=package.sha256.lower()) == package and len(package.sha256) == 64
