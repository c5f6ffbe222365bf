"""Claims: the tree hash is what its module says, and sees what a build would see."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from build_tools.pin.tree_hash import TreeEntry, combine, hash_folder


def _tree(folder: Path) -> Path:
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_bytes(b"content")
    (folder / "tool").write_bytes(b"#!")
    (folder / "tool").chmod(0o755)
    (folder / "link").symlink_to("sub/file")
    return folder


def test_the_hash_is_that_of_the_lines_the_module_describes(tmp_path: Path) -> None:
    def line(kind: str, content: bytes, path: str) -> bytes:
        return f"{kind} {hashlib.sha256(content).hexdigest()} {path}\0".encode()

    lines = line("l", b"sub/file", "link") + line("-", b"content", "sub/file")
    lines += line("x", b"#!", "tool")
    assert hash_folder(_tree(tmp_path / "t")) == hashlib.sha256(lines).hexdigest()


@pytest.mark.parametrize("change", ["content", "mode", "name", "link", "new"])
def test_what_a_build_would_see_changes_the_hash(tmp_path: Path, change: str) -> None:
    folder = _tree(tmp_path / "t")
    before = hash_folder(folder)
    if change == "content":
        (folder / "sub" / "file").write_bytes(b"Content")
    elif change == "mode":
        (folder / "tool").chmod(0o644)
    elif change == "name":
        (folder / "tool").rename(folder / "tool2")
    elif change == "link":
        (folder / "link").unlink()
        (folder / "link").symlink_to("sub")
    else:
        (folder / "sub" / "new").touch()
    assert hash_folder(folder) != before


def test_times_empty_folders_and_git_do_not_count(tmp_path: Path) -> None:
    folder = _tree(tmp_path / "t")
    before = hash_folder(folder)
    os.utime(folder / "tool", (1, 1))
    (folder / "empty").mkdir()
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref")
    (folder / "sub" / ".git").write_text("gitdir: nowhere")
    assert hash_folder(folder) == before


def test_what_is_no_file_is_no_source(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe"):
        hash_folder(tmp_path)


_ENTRIES = st.lists(
    st.builds(TreeEntry, path=st.text(min_size=1), kind=st.just("-"), sha256=st.just("0" * 64)),
    unique_by=lambda entry: entry.path,
)


@given(entries=_ENTRIES, random=st.randoms())
def test_the_order_of_finding_files_does_not_count(
    entries: list[TreeEntry], random: Random
) -> None:
    shuffled = list(entries)
    random.shuffle(shuffled)
    assert combine(shuffled) == combine(entries)
