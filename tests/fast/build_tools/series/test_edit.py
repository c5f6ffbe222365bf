"""Claims: each change of a series is whole, or leaves all as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from build_tools.series.commits import PatchDoesNotApply
from build_tools.series.edit import add_patch, drop_patch, patch_from_edits, refresh_patch, reorder
from build_tools.series.patch import make_patch, read_patch
from build_tools.series.rewrite import rewrite_series
from build_tools.tree.move import move_to
from llamaproof.errors import BadInput
from tests.support.build_tools.sources import LINES, silent
from tests.support.build_tools.workbench import (
    HEADER,
    Workbench,
    contents_of,
    state_of,
)

EARLY, LATE, FILES_PATCH = "0001-early.patch", "0002-late.patch", "0003-files.patch"


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


def test_a_patch_from_edits_has_the_header_it_was_given(bench: Workbench) -> None:
    bench.edit("src/b.c", b"return 1", b"return 7")
    patch = patch_from_edits(bench.repository, bench.series, "0001-x.patch", HEADER)
    assert read_patch(patch.name, patch.data) == patch
    assert patch.header == HEADER + b"\n"
