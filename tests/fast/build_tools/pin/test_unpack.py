"""Claims: nothing of an archive leaves its folder, and a corrupt one is called that."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from build_tools.pin.definition import Pin
from build_tools.pin.tree_hash import hash_folder
from build_tools.pin.unpack import unpack_sdist, vendored_commit
from llamaproof.errors import BadInput
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


def test_a_tar_without_compression_is_no_sdist(pin: Pin, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        add_file(tar, f"{TOP}/x", b"")
    with pytest.raises(BadInput, match="is corrupt"):
        _unpack(pin, tmp_path, stream.getvalue())
