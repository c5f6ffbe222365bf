"""Claims: apply and export are inverse, and export loses and undoes nothing."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from build_tools.pin.definition import load_pin
from build_tools.series.export import export_tree
from build_tools.tree.edits import edited_files
from build_tools.tree.move import move_to
from llamaproof.errors import BadInput
from tests.support.build_tools.sources import LINES, PIN
from tests.support.build_tools.workbench import (
    HEADER,
    Workbench,
    contents_of,
    open_workbench,
    state_of,
    users_git,
)

EARLY, FILES_PATCH = "0001-early.patch", "0003-files.patch"


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
