"""Claims: the tree to build from is the pin with its series, and a second time costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from build_tools.series.commits import PatchDoesNotApply
from build_tools.tree.isolated_git import IsolatedGit
from build_tools.tree.repository import Repository
from llamaproof.errors import BadInput
from tests.support.build_tools.sources import FILES, PIN, TOP, hash_of, names_in, pin_text, sdist
from tests.support.build_tools.workbench import Workbench, contents_of, state_of, users_git


def test_the_patches_are_in_the_tree_and_the_stock_tree_has_none(patched: Workbench) -> None:
    tree = patched.prepare()
    assert tree.path == patched.tree.resolve()
    assert tree.patches == ("0001-early.patch", "0002-late.patch", "0003-files.patch")
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
    assert tree.patches == ("0001-early.patch",)
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


def test_a_patch_that_no_longer_applies_changes_nothing_and_says_why(patched: Workbench) -> None:
    before, head = state_of(patched.tree), patched.repository.head
    patched.rewrite_patch("0002-late.patch", b" line 29\n", b" line twenty-nine\n")
    with pytest.raises(PatchDoesNotApply) as caught:
        patched.prepare()
    assert caught.value.patch == "0002-late.patch"
    assert caught.value.reasons == (
        "hunk 1 of a.txt (line 27) does not match: the file has no line 'line twenty-nine'",
    )
    assert state_of(patched.tree) == before
    assert patched.repository.head == head
    patched.rewrite_patch("0002-late.patch", b" line twenty-nine\n", b" line 29\n")
    assert patched.prepare().locked


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b" line 29\n", b" line  29\n", "the file has no line 'line  29'"),
        (b" line 29\n", b" line 28\n", "its lines are there, but not together"),
        (b"a.txt", b"gone.txt", "gone.txt: the file is missing"),
    ],
)
def test_no_fuzz_not_even_in_whitespace(
    patched: Workbench, old: bytes, new: bytes, reason: str
) -> None:
    path = patched.folder / "0002-late.patch"
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(PatchDoesNotApply) as caught:
        patched.prepare()
    assert reason in "\n".join(caught.value.reasons)


def test_a_patch_that_is_there_already_is_called_that(patched: Workbench) -> None:
    (patched.folder / "0001-early.patch").rename(patched.folder / "x.patch")
    (patched.folder / "y.patch").write_bytes((patched.folder / "x.patch").read_bytes())
    (patched.folder / "series").write_text("x.patch\ny.patch\n0002-late.patch\n0003-files.patch\n")
    with pytest.raises(PatchDoesNotApply) as caught:
        patched.prepare()
    assert caught.value.reasons == (
        "hunk 1 of a.txt (line 1) does not match: what it brings is there already",
    )


def test_lines_that_have_moved_are_found_and_told(patched: Workbench) -> None:
    patched.rewrite_patch("0001-early.patch", b"@@ -1,6 +1,6 @@", b"@@ -1,6 +1,8 @@")
    patched.rewrite_patch("0001-early.patch", b"+line three\n", b"+line three\n+x\n+y\n")
    patched.prepare()
    assert b"x\ny\nline 4\n" in (patched.tree / "a.txt").read_bytes()
    assert any("0002-late.patch: hunk 1 of a.txt is 2 lines off" in s for s in patched.said)


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


def _wrong_tree(checkout: Path) -> str:
    data = (checkout / ".cache" / "sdist" / f"{TOP}.tar.gz").read_bytes()
    (checkout / "vendor" / f"{PIN}.toml").write_text(pin_text(data, "0" * 64))
    return f"expected {'0' * 64}, found {hash_of(FILES)}"


def _wrong_archive(checkout: Path) -> str:
    data = sdist({**FILES, "a.txt": b"changed\n"})
    (checkout / ".cache" / "sdist" / f"{TOP}.tar.gz").write_bytes(data)
    (checkout / "vendor" / f"{PIN}.toml").write_text(pin_text(b"x", hash_of(FILES)))
    return "is not the archive that toy-1.0.toml names: expected sha256 2d711642b726b044"


def _corrupt_archive(checkout: Path) -> str:
    data = sdist()[:-400]
    (checkout / ".cache" / "sdist" / f"{TOP}.tar.gz").write_bytes(data)
    (checkout / "vendor" / f"{PIN}.toml").write_text(pin_text(data, hash_of(FILES)))
    return "is corrupt"


@pytest.mark.parametrize("spoil", [_wrong_tree, _wrong_archive, _corrupt_archive])
@pytest.mark.parametrize("laid", [True, False])
def test_a_source_that_is_not_the_pinned_one_leaves_the_last_good_tree_alone(
    patched: Workbench, checkout: Path, spoil: Callable[[Path], str], laid: bool
) -> None:
    bench = patched if laid else Workbench(checkout=checkout, pin=patched.pin)
    good = state_of(bench.tree)
    pin_path = bench.checkout / "vendor" / f"{PIN}.toml"
    archive = bench.checkout / ".cache" / "sdist" / f"{TOP}.tar.gz"
    kept = {path: path.read_bytes() for path in (pin_path, archive)}
    said = spoil(bench.checkout)
    with pytest.raises(BadInput) as caught:
        bench.prepare()
    assert said in caught.value.what
    assert state_of(bench.tree) == good
    trees = bench.tree.parent
    assert [n for n in names_in(trees) if not n.endswith(".lock")] == ([PIN] if laid else [])
    for path, content in kept.items():
        path.write_bytes(content)
    assert bench.prepare().tree_id


def test_another_source_under_the_same_name_replaces_the_tree(patched: Workbench) -> None:
    files = {**FILES, "src/b.c": b"int b;\n"}
    data = sdist(files)
    (patched.checkout / ".cache" / "sdist" / f"{TOP}.tar.gz").write_bytes(data)
    pin_path = patched.checkout / "vendor" / f"{PIN}.toml"
    pin_path.write_text(pin_text(data, hash_of(files)))
    tree = patched.prepare()
    assert (tree.path / "src" / "b.c").read_bytes() == b"int b;\n"
    assert b"line three" in (tree.path / "a.txt").read_bytes()
    assert not tree.locked
    assert names_in(patched.tree.parent) == [f".{PIN}.lock", PIN]


def test_another_source_does_not_replace_a_tree_that_holds_work(patched: Workbench) -> None:
    data = sdist({**FILES, "src/b.c": b"int b;\n"})
    (patched.checkout / "vendor" / f"{PIN}.toml").write_text(pin_text(data, "0" * 64))
    patched.edit("src/b.c", b"return 1", b"return 7")
    with pytest.raises(BadInput, match=r"src/b\.c"):
        patched.prepare()
    users_git(patched.tree, "commit", "--all", "--message", "by hand")
    with pytest.raises(BadInput, match="commits that no patch holds"):
        patched.prepare()
    assert b"return 7" in (patched.tree / "src" / "b.c").read_bytes()


def test_a_source_that_git_would_not_take_in_whole_is_an_error(
    checkout: Path, patched: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Workbench(checkout=checkout, pin=patched.pin)
    create = Repository.create

    def forgetful(path: Path, message: str) -> Repository:
        (path / "src" / "b.c").rename(path / "hidden")
        repository = create(path, message)
        (path / "hidden").rename(path / "src" / "b.c")
        return repository

    monkeypatch.setattr(Repository, "create", forgetful)
    with pytest.raises(Exception, match=r"not as they are: hidden, src/b\.c"):
        bench.prepare()
    assert not bench.tree.exists()
