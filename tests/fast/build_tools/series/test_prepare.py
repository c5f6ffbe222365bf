"""Claims: the tree to build from is the pin with its series, and a second time costs nothing."""

from __future__ import annotations

import pytest

from build_tools.tree.isolated_git import IsolatedGit
from llamaproof.errors import BadInput
from tests.support.build_tools.sources import FILES, PIN, TOP
from tests.support.build_tools.workbench import Workbench, contents_of, state_of, users_git


def test_the_patches_are_in_the_tree_and_the_stock_tree_has_none(patched: Workbench) -> None:
    tree = patched.prepare()
    assert tree.path == patched.tree.resolve()
    assert tree.patch_names == ("0001-early.patch", "0002-late.patch", "0003-files.patch")
    assert tree.locked
    assert b"line three" in (tree.path / "a.txt").read_bytes()
    stock = patched.prepare(first=0)
    assert stock.path != tree.path
    assert stock.patches == ()
    assert contents_of(stock.path) == dict(FILES)
    assert b"line three" in (tree.path / "a.txt").read_bytes()


def test_in_place_the_one_tree_is_moved_back_and_forth(patched: Workbench) -> None:
    whole = patched.prepare()
    stock = patched.prepare(first=0, in_place=True)
    assert stock.path == whole.path
    assert contents_of(stock.path) == dict(FILES)
    again = patched.prepare()
    assert again.tree_id == whole.tree_id
    assert b"line three" in (again.path / "a.txt").read_bytes()


def test_the_first_patches_alone_have_a_tree_of_their_own(patched: Workbench) -> None:
    tree = patched.prepare(first=1)
    assert tree.patch_names == ("0001-early.patch",)
    assert tree.locked
    assert b"line three" in (tree.path / "a.txt").read_bytes()
    assert b"line thirty" not in (tree.path / "a.txt").read_bytes()
    with pytest.raises(BadInput, match="no first 4 patches"):
        patched.prepare(first=4)


def test_a_second_run_reads_no_archive_applies_no_patch_and_touches_no_file(
    patched: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched.prepare()
    before = state_of(patched.checkout)
    (patched.checkout / ".cache" / "sdist" / f"{TOP}.tar.gz").unlink()
    ran: list[str] = []
    run = IsolatedGit.run

    def counted(self: IsolatedGit, *args: str, **kwargs: object) -> object:
        ran.append(args[0])
        return run(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(IsolatedGit, "run", counted)
    patched.prepare()
    assert "apply" not in ran
    assert len(ran) < 15
    after = state_of(patched.checkout)
    changed = {name for name in before if after.get(name) != before[name]}
    assert changed == {f"build/tree/.{PIN}.lock", f".cache/sdist/{TOP}.tar.gz"}


def test_an_edit_of_one_patch_touches_the_files_of_that_patch_alone(patched: Workbench) -> None:
    before = state_of(patched.tree)
    patched.rewrite_patch("0003-files.patch", b"+new, and", b"+newer, and")
    tree = patched.prepare()
    assert not tree.locked
    assert any("not what its lock says" in line for line in patched.said)
    after = state_of(patched.tree)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"models/new.txt"}
    assert after["models/new.txt"][2].startswith(b"newer")


def test_an_edit_of_an_early_patch_does_not_touch_what_later_ones_change_alike(
    patched: Workbench,
) -> None:
    before = state_of(patched.tree)
    patched.rewrite_patch("0001-early.patch", b"+line three", b"+line III")
    patched.prepare()
    after = state_of(patched.tree)
    assert {name for name in after if after[name] != before[name]} == {"a.txt"}
    assert b"line III" in after["a.txt"][2]
    assert b"line thirty" in after["a.txt"][2]


def test_a_new_header_alone_touches_no_file(patched: Workbench) -> None:
    before = state_of(patched.tree)
    patched.rewrite_patch("0001-early.patch", b"mend a thing", b"mend it better")
    patched.prepare()
    assert state_of(patched.tree) == before
    assert b"mend it better" in patched.repository.message("HEAD~2")


def test_a_dirty_tree_is_an_error_that_names_the_files_and_loses_nothing(
    patched: Workbench,
) -> None:
    patched.edit("src/b.c", b"return 1", b"return 7")
    before = state_of(patched.tree)
    with pytest.raises(BadInput) as caught:
        patched.prepare()
    assert "src/b.c" in caught.value.what
    assert "series add" in caught.value.hint
    assert state_of(patched.tree) == before
    patched.edit("src/b.c", b"return 7", b"return 1")
    assert patched.prepare().locked


def test_commits_by_hand_are_not_thrown_away(patched: Workbench) -> None:
    patched.edit("src/b.c", b"return 1", b"return 7")
    users_git(patched.tree, "commit", "--all", "--message", "by hand")
    before, head = state_of(patched.tree), patched.repository.head
    patched.rewrite_patch("0003-files.patch", b"+new, and", b"+newer, and")
    with pytest.raises(BadInput, match="1 commits that no patch holds") as caught:
        patched.prepare()
    assert "series export" in caught.value.hint
    assert (state_of(patched.tree), patched.repository.head) == (before, head)
