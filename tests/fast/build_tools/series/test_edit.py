"""Claims: a series goes to commits and back unchanged; each change of it is whole or is not."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from build_tools.pin.definition import load_pin
from build_tools.pin.tree_hash import hash_folder
from build_tools.series.commits import PatchDoesNotApply
from build_tools.series.edit import add_patch, drop_patch, patch_from_edits, refresh_patch, reorder
from build_tools.series.export import export_tree
from build_tools.series.folder import load_series, write_series
from build_tools.series.lock import SCHEMA, read_lock
from build_tools.series.order import read_order
from build_tools.series.patch import make_patch, read_patch
from build_tools.series.rewrite import rewrite_series
from build_tools.tree.edits import edited_files
from build_tools.tree.move import move_to
from llamaproof.errors import BadInput
from tests.support.build_tools.sources import LINES, PIN, silent
from tests.support.build_tools.workbench import (
    HEADER,
    Workbench,
    contents_of,
    open_workbench,
    state_of,
    users_git,
)

EARLY, LATE, FILES_PATCH = "0001-early.patch", "0002-late.patch", "0003-files.patch"


def _export(bench: Workbench, *, overwrite: bool = False) -> None:
    export_tree(bench.repository, bench.series, bench.pin, bench.said.append, overwrite=overwrite)


def test_export_of_what_was_applied_changes_no_byte(patched: Workbench) -> None:
    before, files = patched.files(), state_of(patched.tree)
    inode = patched.folder.stat().st_ino
    patched.prepare()
    _export(patched)
    assert patched.files() == before
    assert patched.folder.stat().st_ino == inode
    assert state_of(patched.tree) == files


def test_a_patch_is_written_without_anything_that_differs_from_day_to_day(
    patched: Workbench,
) -> None:
    changed = LINES.replace(b"line 3\n", b"line three\n")
    assert (patched.folder / EARLY).read_text() == (
        "Description: mend a thing\n"
        "Author: A Person <a@b.invalid>\n"
        "Forwarded: no\n"
        "Last-Update: 2026-01-31\n"
        "\n"
        "diff --git a/a.txt b/a.txt\n"
        f"index {_blob_id(LINES)}..{_blob_id(changed)} 100644\n"
        "--- a/a.txt\n"
        "+++ b/a.txt\n"
        "@@ -1,6 +1,6 @@\n"
        " line 1\n"
        " line 2\n"
        "-line 3\n"
        "+line three\n"
        " line 4\n"
        " line 5\n"
        " line 6\n"
    )


def _blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def test_the_lock_says_order_hashes_and_result(patched: Workbench) -> None:
    lock = read_lock(patched.folder)
    assert lock is not None
    assert [(p.name, p.sha256) for p in lock.patches] == [
        (p.name, p.sha256) for p in patched.series.patches
    ]
    assert lock.tree == patched.repository.tree_id("HEAD")
    assert lock.base_tree == patched.repository.tree_id(patched.repository.base)
    assert lock.tree_sha256 == hash_folder(patched.tree)


def test_a_commit_by_hand_becomes_a_patch_with_what_its_author_said(patched: Workbench) -> None:
    patched.edit("src/b.c", b"return 1", b"return 7")
    users_git(patched.tree, "commit", "--all", "--message", "b: return 7\n\nBecause.")
    files = state_of(patched.tree)
    _export(patched)
    patch = (patched.folder / "0004-b-return-7.patch").read_text()
    assert patch.startswith(
        "Description: b: return 7\n .\n Because.\n"
        "Author: Somebody <some@body.invalid>\nLast-Update: 2026-02-03\n\ndiff --git"
    )
    assert state_of(patched.tree) == files
    assert patched.prepare().locked


def test_an_amended_commit_gives_its_own_patch_back_changed(patched: Workbench) -> None:
    patched.edit("models/new.txt", b"new, and", b"newer, and")
    users_git(patched.tree, "commit", "--all", "--amend", "--no-edit")
    before = patched.files()
    _export(patched)
    after = patched.files()
    assert {n for n in after if after[n] != before[n]} == {FILES_PATCH, "series.lock"}
    assert b"+newer, and" in after[FILES_PATCH]
    assert after[FILES_PATCH].startswith(HEADER)


@pytest.mark.parametrize("how", ["edited patch", "new patch", "edited header"])
def test_export_does_not_undo_what_happened_to_the_series_meanwhile(
    patched: Workbench, how: str
) -> None:
    if how == "edited patch":
        patched.rewrite_patch(FILES_PATCH, b"+new, and", b"+newer, and")
    elif how == "edited header":
        patched.rewrite_patch(FILES_PATCH, b"mend a thing", b"mend it better")
    else:
        text = (patched.folder / EARLY).read_bytes().replace(b"line 3", b"line 20")
        text = text.replace(b"three", b"twenty").replace(b"@@ -1,6", b"@@ -18,6")
        for old, new in ((b"1", b"18"), (b"2", b"19"), (b"4", b"21"), (b"5", b"22"), (b"6", b"23")):
            text = text.replace(b"\n line %s\n" % old, b"\n line %s\n" % new)
        (patched.folder / "0004-more.patch").write_bytes(text)
        with (patched.folder / "series").open("a") as order:
            order.write("0004-more.patch\n")
    before = patched.files()
    with pytest.raises(BadInput, match="the series has changed since") as caught:
        _export(patched)
    assert "series apply" in caught.value.hint
    assert patched.files() == before
    patched.prepare()
    _export(patched)
    assert b"".join(patched.files().values()) != b"".join(before.values())
    _export(patched, overwrite=True)


def test_export_wants_edits_committed(patched: Workbench) -> None:
    patched.edit("src/b.c", b"return 1", b"return 7")
    before = patched.files()
    with pytest.raises(BadInput, match=r"src/b\.c"):
        _export(patched)
    assert patched.files() == before


def test_export_refuses_merges_and_binary_files(patched: Workbench) -> None:
    head = patched.repository.head
    users_git(patched.tree, "checkout", "--quiet", "-b", "side", "HEAD~1")
    (patched.tree / "side.txt").write_text("side\n")
    users_git(patched.tree, "add", "--force", "side.txt")
    users_git(patched.tree, "commit", "--message", "side")
    users_git(patched.tree, "merge", "--no-edit", head)
    with pytest.raises(BadInput, match="no line from its base"):
        _export(patched)
    users_git(patched.tree, "reset", "--hard", head)
    (patched.tree / "x.bin").write_bytes(b"\0binary")
    users_git(patched.tree, "add", "--force", "x.bin")
    users_git(patched.tree, "commit", "--message", "binary")
    with pytest.raises(BadInput, match=r"binary file: .*x\.bin"):
        _export(patched)


def test_add_takes_edits_new_files_and_removals(bench: Workbench) -> None:
    bench.edit("crlf.txt", b"two\r\n", b"zwei\r\n")
    bench.edit("no newline at end", b"last", b"end")
    bench.edit("na\u00efve \u2713.txt", b"odd", b"even")
    (bench.tree / "models" / "new.so").write_bytes(b"text, though ignored twice\n")
    (bench.tree / "run.sh").unlink()
    wanted = contents_of(bench.tree)
    files = state_of(bench.tree)
    bench.add("0001-all.patch")
    assert state_of(bench.tree) == files
    move_to(bench.repository, bench.repository.base)
    assert bench.prepare().locked
    assert contents_of(bench.tree) == wanted


def test_add_puts_a_patch_where_it_is_told(patched: Workbench) -> None:
    patched.edit("src/b.c", b"return 1", b"return 7")
    patched.add("0000-first.patch", position=0)
    assert patched.series.names == ("0000-first.patch", EARLY, LATE, FILES_PATCH)
    assert patched.prepare().locked


def test_add_where_the_patch_does_not_apply_changes_nothing(patched: Workbench) -> None:
    patched.edit("a.txt", b"and more", b"and even more")
    before, files = patched.files(), state_of(patched.tree)
    with pytest.raises(PatchDoesNotApply):
        patched.add("0000-first.patch", position=0)
    assert (patched.files(), state_of(patched.tree)) == (before, files)


def test_add_wants_edits_a_free_name_and_a_tree_that_follows_the_series(
    patched: Workbench,
) -> None:
    with pytest.raises(BadInput, match="no edits"):
        patched.add("0004-x.patch")
    patched.edit("src/b.c", b"return 1", b"return 7")
    with pytest.raises(BadInput, match=f"there is a patch {EARLY} already"):
        patched.add(EARLY)
    patched.rewrite_patch(FILES_PATCH, b"+new, and", b"+newer, and")
    with pytest.raises(BadInput, match="does not stand at the end of the series"):
        patched.add("0004-x.patch")


def test_a_binary_edit_is_no_patch(bench: Workbench) -> None:
    (bench.tree / "x.bin").write_bytes(b"\0binary")
    with pytest.raises(BadInput, match=r"binary file: .*x\.bin"):
        bench.add("0001-x.patch")
    assert not bench.folder.exists()


def test_add_from_a_file_renews_its_numbers_and_ids(patched: Workbench) -> None:
    diff = (
        b"diff --git a/a.txt b/a.txt\nindex 1111111..2222222 100644\n--- a/a.txt\n+++ b/a.txt\n"
        b"@@ -5,3 +5,3 @@\n line 19\n-line 20\n+line twenty\n line 21\n"
    )
    patch = make_patch("0004-x.patch", HEADER, diff)
    add_patch(patched.repository, patched.series, patched.pin, patch, position=3, report=silent)
    written = (patched.folder / "0004-x.patch").read_bytes()
    assert b"@@ -17,7 +17,7 @@ line 16\n" in written
    assert b"1111111" not in written
    assert patched.prepare().locked


def test_refresh_folds_edits_into_the_patch_they_belong_to(patched: Workbench) -> None:
    patched.edit("a.txt", b"line three", b"line III")
    files = state_of(patched.tree)
    refresh_patch(patched.repository, patched.series, patched.pin, EARLY, silent)
    assert b"+line III\n" in (patched.folder / EARLY).read_bytes()
    assert b"III" not in (patched.folder / LATE).read_bytes()
    assert state_of(patched.tree) == files
    assert patched.prepare().locked


def test_refresh_that_would_empty_a_patch_says_drop(patched: Workbench) -> None:
    patched.edit("a.txt", b"line three", b"line 3")
    with pytest.raises(BadInput, match="would change nothing any more"):
        refresh_patch(patched.repository, patched.series, patched.pin, EARLY, silent)


def test_drop_takes_a_patch_out_of_folder_and_tree(patched: Workbench) -> None:
    before = state_of(patched.tree)
    drop_patch(patched.repository, patched.series, patched.pin, LATE, silent)
    assert patched.series.names == (EARLY, FILES_PATCH)
    assert not (patched.folder / LATE).exists()
    after = state_of(patched.tree)
    assert {n for n in after if after[n] != before[n]} == {"a.txt"}
    assert patched.prepare().locked


def test_drop_of_what_a_later_patch_stands_on_changes_nothing(patched: Workbench) -> None:
    patched.patch_line("0004-on-late.patch", "a.txt", b"and more", b"and even more")
    before, files = patched.files(), state_of(patched.tree)
    with pytest.raises(PatchDoesNotApply) as caught:
        drop_patch(patched.repository, patched.series, patched.pin, LATE, silent)
    assert caught.value.patch == "0004-on-late.patch"
    assert (patched.files(), state_of(patched.tree)) == (before, files)


def test_the_last_patch_can_be_dropped(bench: Workbench) -> None:
    bench.patch_line(EARLY, "a.txt", b"line 3\n", b"line three\n")
    drop_patch(bench.repository, bench.series, bench.pin, EARLY, silent)
    assert (bench.tree / "a.txt").read_bytes() == LINES
    assert bench.prepare().patches == ()


def test_reorder_keeps_the_result_and_the_comments(patched: Workbench) -> None:
    text = (patched.folder / "series").read_text()
    (patched.folder / "series").write_text(text.replace(LATE, f"# why late\n{LATE}") + "# end\n")
    files = state_of(patched.tree)
    reorder(patched.repository, patched.series, patched.pin, [LATE, FILES_PATCH, EARLY], silent)
    assert (patched.folder / "series").read_text() == (
        f"# why late\n{LATE}\n{FILES_PATCH}\n{EARLY}\n# end\n"
    )
    assert state_of(patched.tree) == files
    assert patched.prepare().locked


def test_reorder_names_each_patch_once(patched: Workbench) -> None:
    for names in ([EARLY, LATE], [EARLY, EARLY, LATE, FILES_PATCH], [EARLY, LATE, "0009-x.patch"]):
        with pytest.raises(BadInput, match="names each patch once"):
            reorder(patched.repository, patched.series, patched.pin, names, silent)


def test_lock_renews_the_numbers_of_patches_edited_by_hand(patched: Workbench) -> None:
    patched.rewrite_patch(EARLY, b"@@ -1,6 +1,6 @@", b"@@ -1,6 +1,8 @@")
    patched.rewrite_patch(EARLY, b"+line three\n", b"+line three\n+x\n+y\n")
    rewrite_series(patched.repository, patched.series, patched.pin, patched.said.append)
    assert b"@@ -29,7 +29,8 @@" in (patched.folder / LATE).read_bytes()
    assert f"series: {LATE} was renewed" in patched.said
    assert patched.prepare().locked


CHANGES: dict[str, Callable[[Workbench], object]] = {
    "drop": lambda b: drop_patch(b.repository, b.series, b.pin, FILES_PATCH, silent),
    "reorder": lambda b: reorder(b.repository, b.series, b.pin, [LATE, EARLY, FILES_PATCH], silent),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_over_a_dirty_tree_changes_nothing(patched: Workbench, change: str) -> None:
    patched.edit("src/b.c", b"return 1", b"return 7")
    before, files = patched.files(), state_of(patched.tree)
    with pytest.raises(BadInput, match=r"src/b\.c"):
        CHANGES[change](patched)
    assert (patched.files(), state_of(patched.tree)) == (before, files)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (f"{EARLY}\n{LATE}\n", f"{FILES_PATCH} is there but not listed"),
        (f"{EARLY}\n{LATE}\n{FILES_PATCH}\n0009-x.patch\n", "0009-x.patch is listed but not there"),
        (f"{EARLY}\n{LATE}\n{FILES_PATCH}\n{EARLY}\n", f"{EARLY} is listed twice"),
        (f"{EARLY}\n{LATE}\n{FILES_PATCH}\n../x.patch\n", "../x.patch is no name for a patch"),
    ],
)
def test_order_file_and_folder_must_agree(patched: Workbench, order: str, said: str) -> None:
    (patched.folder / "series").write_text(order)
    with pytest.raises(BadInput) as caught:
        patched.prepare()
    assert said in caught.value.what


def test_what_else_lies_in_the_folder_stays(patched: Workbench) -> None:
    (patched.folder / "README.md").write_text("why\n")
    (patched.folder / "notes").mkdir()
    (patched.folder / "notes" / "x").write_text("x\n")
    drop_patch(patched.repository, patched.series, patched.pin, FILES_PATCH, silent)
    assert (patched.folder / "README.md").read_text() == "why\n"
    assert (patched.folder / "notes" / "x").read_text() == "x\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"),
        ("\0", "no JSON"),
        ("[]", "states no schema"),
        ('{"schema": 1}', "its schema is 1"),
        (json.dumps(SCHEMA.document(pin="x")), "series.lock is damaged"),
    ],
)
def test_a_lock_that_is_none_is_said_to_be_none(patched: Workbench, text: str, says: str) -> None:
    (patched.folder / "series.lock").write_text(text)
    with pytest.raises(BadInput, match=says):
        read_lock(patched.folder)


def test_a_patch_file_without_a_diff_is_refused_by_name(patched: Workbench) -> None:
    (patched.folder / LATE).write_text("nothing\n")
    with pytest.raises(BadInput, match=f"{LATE} holds no"):
        load_series(patched.folder)


def test_a_writing_that_fails_leaves_the_folder(
    patched: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = patched.files()
    series, lock = patched.series, read_lock(patched.folder)
    assert lock is not None
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="No space"):
        write_series(series.with_patches(series.patches[:1]), lock)
    assert patched.files() == before
    assert [path.name for path in patched.folder.parent.iterdir()] == [patched.folder.name]


_LINE = st.sampled_from(
    [b"", b"x", b" lead", b"trail ", b"\ttab", b"cr\r", b"-- ", b"+", b"@@ -1 +1"]
)
_TEXT = st.builds(
    lambda lines, end: b"\n".join(lines) + end,
    st.lists(_LINE, max_size=12),
    st.sampled_from([b"", b"\n", b"\r\n"]),
)
_STEP = st.dictionaries(
    st.sampled_from(["a.txt", "src/b.c", "new one.txt", "d/\u00fc.txt"]),
    st.none() | _TEXT,
    min_size=1,
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    open_workbench(folder / "open")
    return folder


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(_STEP, min_size=1, max_size=3))
def test_whatever_was_edited_apply_and_export_are_inverse(
    scratch: Path, steps: list[dict[str, bytes | None]]
) -> None:
    shutil.rmtree(scratch / "copy", ignore_errors=True)
    shutil.copytree(scratch / "open", scratch / "copy", symlinks=True)
    bench = Workbench(checkout=scratch / "copy", pin=load_pin(scratch / "copy", PIN))
    for number, step in enumerate(steps):
        for name, content in step.items():
            path = bench.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
        if edited_files(bench.repository):
            bench.add(f"{number:04d}-step.patch")
    wanted, patches = contents_of(bench.tree), bench.files() if bench.folder.exists() else {}
    move_to(bench.repository, bench.repository.base)
    bench.prepare()
    assert contents_of(bench.tree) == wanted
    if patches:
        _export(bench)
        assert bench.files() == patches


def test_the_order_file_may_be_commented(tmp_path: Path) -> None:
    (tmp_path / "series").write_text("# first\n\na.patch\n# of b\nb.patch\n# end\n")
    order = read_order(tmp_path)
    assert order.names == ("a.patch", "b.patch")
    assert order.text() == "# first\n\na.patch\n# of b\nb.patch\n# end\n"
    assert order.reordered(["b.patch"]).text() == "# of b\nb.patch\n# end\n"


def test_a_patch_from_edits_has_the_header_it_was_given(bench: Workbench) -> None:
    bench.edit("src/b.c", b"return 1", b"return 7")
    patch = patch_from_edits(bench.repository, bench.series, "0001-x.patch", HEADER)
    assert read_patch(patch.name, patch.data) == patch
    assert patch.header == HEADER + b"\n"
