"""Claims: a move touches only files that differ, and never what a user has edited."""

from __future__ import annotations

import pytest

from build_tools.tree.edits import edited_files
from build_tools.tree.move import move_to
from llamaproof.errors import BadInput
from tests.support.build_tools.sources import FILES
from tests.support.build_tools.workbench import (
    Workbench,
    contents_of,
    state_of,
    users_git,
)


def test_a_move_touches_only_files_whose_content_differs(patched: Workbench) -> None:
    repository = patched.repository
    end = repository.head
    before = state_of(patched.tree)
    assert move_to(repository, repository.base) == ("a.txt", "models/new.txt", "src/c.h")
    assert contents_of(patched.tree) == dict(FILES)
    after = state_of(patched.tree)
    unchanged = set(FILES) - {"a.txt", "src/c.h"}
    assert {n: after[n] for n in unchanged} == {n: before[n] for n in unchanged}
    assert move_to(repository, end) == ("a.txt", "models/new.txt", "src/c.h")
    assert contents_of(patched.tree) == {n: c for n, (_, _, c) in before.items()}
    assert edited_files(repository) == ()


def test_a_folder_that_a_move_empties_goes_and_comes_back(bench: Workbench) -> None:
    (bench.tree / "src" / "b.c").unlink()
    (bench.tree / "src" / "c.h").unlink()
    bench.add("0001-empty.patch")
    move_to(bench.repository, bench.repository.base)
    assert (bench.tree / "src" / "b.c").read_bytes() == FILES["src/b.c"]
    bench.prepare()
    assert not (bench.tree / "src").exists()


@pytest.mark.parametrize("kind", ["edited", "new", "new where ignored", "removed", "staged"])
def test_a_users_edits_stop_a_move_by_name_and_stay(patched: Workbench, kind: str) -> None:
    name = "src/b.c"
    if kind in ("edited", "staged"):
        patched.edit(name, b"return 1", b"return 7")
    if kind == "staged":
        users_git(patched.tree, "add", "--force", name)
        users_git(patched.tree, "show", f":{name}")
        (patched.tree / name).write_bytes(FILES[name])
    elif kind == "removed":
        (patched.tree / name).unlink()
    elif kind.startswith("new"):
        name = "models/mine.txt" if "ignored" in kind else "mine.txt"
        (patched.tree / name).write_text("mine\n")
    before, head = state_of(patched.tree), patched.repository.head
    index = users_git(patched.tree, "ls-files", "--stage")
    with pytest.raises(BadInput) as caught:
        move_to(patched.repository, patched.repository.base)
    assert name in caught.value.what
    assert state_of(patched.tree) == before
    assert patched.repository.head == head
    assert users_git(patched.tree, "ls-files", "--stage") == index


def test_an_edit_that_is_what_the_move_wants_is_no_obstacle(patched: Workbench) -> None:
    end = patched.repository.head
    wanted = (patched.tree / "a.txt").read_bytes()
    move_to(patched.repository, patched.repository.base)
    (patched.tree / "a.txt").write_bytes(wanted)
    before = state_of(patched.tree)["a.txt"]
    move_to(patched.repository, end)
    assert state_of(patched.tree)["a.txt"] == before


@pytest.mark.parametrize("operation", ["MERGE_HEAD", "rebase-merge"])
def test_a_rebase_under_way_stops_a_move(patched: Workbench, operation: str) -> None:
    (patched.tree / ".git" / operation).mkdir()
    with pytest.raises(BadInput, match=f"under way in the tree .{operation}"):
        move_to(patched.repository, patched.repository.base)
