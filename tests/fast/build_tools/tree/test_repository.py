"""Claims: a tree is a repository whose commits depend on nothing but content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from build_tools.pin.tree_hash import hash_folder
from build_tools.tree.edits import edited_files
from llamaproof.errors import LlamaproofError
from tests.support.build_tools.sources import FILES, hash_of
from tests.support.build_tools.workbench import (
    Workbench,
    patched_workbench,
    users_git,
)


def test_every_file_is_in_the_base_whatever_the_rules_of_user_and_source_say(
    bench: Workbench, hostile_git: Path
) -> None:
    repository = bench.repository
    assert set(repository.files("HEAD")) == set(FILES)
    assert edited_files(repository) == ()
    for name, content in FILES.items():
        assert repository.content("HEAD", name) == content
        assert (bench.tree / name).read_bytes() == content
    assert not (hostile_git / "hook-ran").exists()
    assert not (bench.tree / ".git" / "hooks").exists()


def test_the_hash_of_a_commit_is_that_of_its_folder(patched: Workbench) -> None:
    assert patched.repository.hash_tree(patched.repository.base) == hash_of(FILES)
    assert patched.repository.hash_tree("HEAD") == hash_folder(patched.tree)


def test_commits_depend_on_nothing_but_content(tmp_path: Path) -> None:
    one = patched_workbench(tmp_path / "one")
    os.environ["GIT_COMMITTER_NAME"] = "Somebody Else"
    try:
        two = patched_workbench(tmp_path / "two")
    finally:
        del os.environ["GIT_COMMITTER_NAME"]
    assert one.repository.head == two.repository.head
    assert one.repository.base == two.repository.base


def test_git_by_hand_in_the_tree_sees_it_as_the_tools_do(patched: Workbench) -> None:
    assert users_git(patched.tree, "status", "--porcelain") == ""
    (patched.tree / "crlf.txt").touch()
    users_git(patched.tree, "update-index", "--refresh")
    assert users_git(patched.tree, "diff", "--no-ext-diff") == ""


def test_a_repository_that_lost_its_objects_says_what_to_do(patched: Workbench) -> None:
    (patched.tree / ".git" / "refs" / "llamaproof" / "base").unlink()
    with pytest.raises(LlamaproofError) as caught:
        patched.prepare()
    assert "delete the folder" in caught.value.hint


def test_a_tree_whose_path_has_odd_characters_works(tmp_path: Path) -> None:
    odd = tmp_path / "$HOME and ~ 'quoted' \u2713"
    assert b"line three" in (patched_workbench(odd).tree / "a.txt").read_bytes()
