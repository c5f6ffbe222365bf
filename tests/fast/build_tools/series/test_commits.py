"""Claims: a patch applies without fuzz, or it is said why not."""

from __future__ import annotations

import pytest

from build_tools.series.commits import PatchDoesNotApply
from tests.support.build_tools.workbench import Workbench, state_of


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
