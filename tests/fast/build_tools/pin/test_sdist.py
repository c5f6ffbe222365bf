"""Claims: an archive is checked before it is opened, and nothing of it leaves its folder."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from build_tools.pin import sdist as archive_module
from build_tools.pin.definition import Pin
from build_tools.pin.sdist import fetch_sdist
from build_tools.pin.tree_hash import hash_folder
from build_tools.pin.unpack import unpack_sdist, vendored_commit
from llamaproof.errors import BadInput, CommandFailed
from tests.support.build_tools.sources import (
    COMMIT,
    FILES,
    TOP,
    Edit,
    add_file,
    add_link,
    hash_of,
    names_in,
    sdist,
    silent,
)


def _unpack(pin: Pin, tmp_path: Path, data: bytes) -> Path:
    """Unpack into tmp_path/in/tree, with room around it to see what climbs out."""
    archive = tmp_path / f"{TOP}.tar.gz"
    archive.write_bytes(data)
    folder = tmp_path / "in" / "tree"
    folder.mkdir(parents=True)
    unpack_sdist(pin, archive, folder, silent)
    return folder


def test_a_good_archive_becomes_its_files_without_anything_called_git(
    pin: Pin, tmp_path: Path
) -> None:
    folder = _unpack(pin, tmp_path, sdist())
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert found == set(FILES)
    assert hash_folder(folder) == hash_of(FILES)
    assert not list(folder.rglob(".git"))
    assert (folder / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (folder / "a.txt").stat().st_mode & 0o777 == 0o644


def _hard(target: str) -> Edit:
    return lambda tar: add_link(tar, f"{TOP}/x", target, tarfile.LNKTYPE)


def _soft(target: str, name: str = "x") -> Edit:
    return lambda tar: add_link(tar, f"{TOP}/{name}", target)


def _special(kind: bytes) -> Edit:
    return lambda tar: add_link(tar, f"{TOP}/x", "", kind)


def _through_link(tar: tarfile.TarFile) -> None:
    add_link(tar, f"{TOP}/door", "src")
    add_file(tar, f"{TOP}/door/x", b"in through a link")


def _hard_through_link(tar: tarfile.TarFile) -> None:
    add_link(tar, f"{TOP}/door", "src/b.c")
    add_link(tar, f"{TOP}/x", f"{TOP}/door", tarfile.LNKTYPE)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda tar: add_file(tar, f"{TOP}/../x", b""), "would leave the folder"),
        (lambda tar: add_file(tar, "../x", b""), "would leave the folder"),
        (lambda tar: add_file(tar, "/tmp/x", b""), "would leave the folder"),
        (lambda tar: add_file(tar, "elsewhere/x", b""), "is not below toy-1.0/"),
        (_soft("/etc/passwd"), "link '/etc/passwd' would leave"),
        (_soft("../x"), "link '../x' would leave"),
        (_soft("../../x", "src/x"), "link '../../x' would leave"),
        (_soft("src/../../x"), "would leave"),
        (_soft(".git/config"), "would leave"),
        (_hard("/etc/passwd"), "would leave"),
        (_hard(f"{TOP}/../../etc/passwd"), "would leave"),
        (_hard(f"{TOP}/missing"), "names no file before it"),
        (_hard_through_link, "names no file before it"),
        (_through_link, "door on its way is no folder"),
        (lambda tar: add_file(tar, f"{TOP}/a.txt/x", b""), "a.txt on its way is no folder"),
        (lambda tar: add_file(tar, f"{TOP}/a.txt", b"again"), "has its path already"),
        (_special(tarfile.CHRTYPE), "special file"),
        (_special(tarfile.BLKTYPE), "special file"),
        (_special(tarfile.FIFOTYPE), "special file"),
    ],
)
def test_a_member_that_climbs_out_or_is_no_source_is_refused_by_name(
    pin: Pin, tmp_path: Path, edit: Edit, said: str
) -> None:
    before = set(names_in(tmp_path))
    with pytest.raises(BadInput) as caught:
        _unpack(pin, tmp_path, sdist(also=[edit]))
    assert said in caught.value.what
    assert f"{TOP}.tar.gz: member" in caught.value.what
    assert set(names_in(tmp_path)) - before == {f"{TOP}.tar.gz", "in"}
    assert names_in(tmp_path / "in") == ["tree"]


def test_links_that_stay_inside_are_kept(pin: Pin, tmp_path: Path) -> None:
    folder = _unpack(
        pin,
        tmp_path,
        sdist(also=[_soft("../a.txt", "src/up"), _hard(f"{TOP}/src/c.h")]),
    )
    assert (folder / "src" / "up").read_bytes() == FILES["a.txt"]
    assert (folder / "x").read_bytes() == FILES["src/c.h"]
    assert (folder / "x").stat().st_ino != (folder / "src" / "c.h").stat().st_ino


def _cut_gzip(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _no_gzip(_data: bytes) -> bytes:
    return b"<html>not found</html>"


def _no_tar(_data: bytes) -> bytes:
    return gzip.compress(b"no tar at all" * 100)


def _flip_inside(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


@pytest.mark.parametrize("spoil", [_cut_gzip, _no_gzip, _no_tar, _flip_inside, bytes])
def test_a_corrupt_archive_is_called_corrupt_or_does_not_give_the_tree(
    pin: Pin, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    spoiled = spoil(sdist())
    try:
        folder = _unpack(pin, tmp_path, spoiled)
    except BadInput as error:
        assert "is corrupt" in error.what or "is refused" in error.what
    else:
        assert (hash_folder(folder) == pin.tree_sha256) == (spoil is bytes)


def test_an_archive_that_vendors_another_commit_than_its_pin_says_is_refused(
    pin: Pin, tmp_path: Path
) -> None:
    other = replace(pin, llama_cpp_commit="f" * 40)
    with pytest.raises(BadInput, match=f"vendors llama.cpp {COMMIT}, but .* says {'f' * 40}"):
        _unpack(other, tmp_path, sdist())


def test_the_vendored_commit_is_read_from_the_archive(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(sdist())
    assert vendored_commit(archive) == COMMIT


def test_a_wrong_archive_in_the_cache_is_never_opened(
    checkout: Path, pin: Pin, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = checkout / ".cache" / "sdist"
    spoiled = _flip_inside(sdist())
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


def test_a_tar_without_compression_is_no_sdist(pin: Pin, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        add_file(tar, f"{TOP}/x", b"")
    with pytest.raises(BadInput, match="is corrupt"):
        _unpack(pin, tmp_path, stream.getvalue())
