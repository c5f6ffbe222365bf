"""Claims: a patch is read to its last byte; what git would pass over in silence is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from build_tools.series.diff import parse_diff
from build_tools.series.patch import make_patch, patch_of_commit, read_patch
from llamaproof.errors import BadInput

HEADER = b"Description: a thing\nAuthor: A <a@b.invalid>\n\n"
ONE_HUNK = b"""\
diff --git a/src/b.c b/src/b.c
index 1111111111111111111111111111111111111111..2222222222222222222222222222222222222222 100644
--- a/src/b.c
+++ b/src/b.c
@@ -1,3 +1,3 @@ int b(void)
 int b(void)
 {
-    return 1;
+    return 2;
"""


def _parse(diff: bytes) -> list[tuple[str | None, str | None, int]]:
    files = parse_diff(read_patch("0001-a.patch", HEADER + diff))
    return [(f.old_path, f.new_path, len(f.hunks)) for f in files]


def test_header_and_diff_are_told_apart_and_together_are_the_file() -> None:
    patch = read_patch("0001-a.patch", HEADER + ONE_HUNK)
    assert (patch.header, patch.diff) == (HEADER, ONE_HUNK)
    assert patch.data == HEADER + ONE_HUNK


def test_a_hunk_says_what_it_wants_and_what_it_leaves() -> None:
    (file,) = parse_diff(read_patch("0001-a.patch", ONE_HUNK))
    (hunk,) = file.hunks
    assert hunk.old_start == 1
    assert hunk.old_lines == (b"int b(void)\n", b"{\n", b"    return 1;\n")
    assert hunk.new_lines == (b"int b(void)\n", b"{\n", b"    return 2;\n")


def test_a_missing_newline_at_the_end_belongs_to_its_line() -> None:
    diff = ONE_HUNK.replace(b"2;\n", b"2;\n\\ No newline at end of file\n")
    (file,) = parse_diff(read_patch("0001-a.patch", diff))
    assert file.hunks[0].new_lines[-1] == b"    return 2;"
    assert file.hunks[0].old_lines[-1] == b"    return 1;\n"


@pytest.mark.parametrize(
    ("diff", "expected"),
    [
        (
            b"diff --git a/n b/n\nnew file mode 100644\nindex 0..1\n"
            b"--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n",
            [(None, "n", 1)],
        ),
        (
            b"diff --git a/n b/n\ndeleted file mode 100644\nindex 1..0\n"
            b"--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
            [("n", None, 1)],
        ),
        (b"diff --git a/e b/e\nnew file mode 100755\nindex 0..1\n", [(None, "e", 0)]),
        (b"diff --git a/m b/m\nold mode 100644\nnew mode 100755\n", [("m", "m", 0)]),
        (
            b"diff --git a/o b/n\nsimilarity index 100%\nrename from o\nrename to n\n",
            [("o", "n", 0)],
        ),
        (
            b"diff --git a/a b.txt b/a b.txt\nindex 1..2 100644\n"
            b"--- a/a b.txt\t\n+++ b/a b.txt\t\n@@ -1 +1 @@\n-x\n+y\n",
            [("a b.txt", "a b.txt", 1)],
        ),
        (
            b'diff --git "a/na\\303\\257ve.txt" "b/na\\303\\257ve.txt"\nindex 1..2 100644\n'
            b'--- "a/na\\303\\257ve.txt"\n+++ "b/na\\303\\257ve.txt"\n@@ -1 +1 @@\n-x\n+y\n',
            [("na\u00efve.txt", "na\u00efve.txt", 1)],
        ),
        (
            ONE_HUNK + ONE_HUNK.replace(b"b.c", b"d.c"),
            [("src/b.c",) * 2 + (1,), ("src/d.c",) * 2 + (1,)],
        ),
    ],
)
def test_every_form_that_git_writes_is_read(
    diff: bytes, expected: list[tuple[str | None, str | None, int]]
) -> None:
    assert _parse(diff) == expected


@pytest.mark.parametrize(
    ("diff", "line", "said"),
    [
        (ONE_HUNK + b"-- \n2.39.5\n\n", 13, "text that belongs to no hunk: '-- \\n'"),
        (ONE_HUNK + b"\n", 13, "text that belongs to no hunk"),
        (ONE_HUNK.replace(b"-1,3 +1,3", b"-1,4 +1,4"), 13, "ends before it has the lines"),
        (ONE_HUNK.replace(b"-1,3 +1,3", b"-1,2 +1,2"), 11, "text that belongs to no hunk"),
        (ONE_HUNK.replace(b"-1,3 +1,3", b"-1,2 +1,3"), 13, "more lines than it says"),
        (ONE_HUNK[:-1], 12, "ends before it has the lines"),
        (ONE_HUNK.replace(b"+++ b/src/b.c\n", b""), 7, "without its `+++` line"),
        (ONE_HUNK[: ONE_HUNK.index(b"@@")], 8, "neither hunks nor a change of mode"),
        (
            b"diff --git a/x b/x\nindex 1..2 100644\nBinary files a/x and b/x differ\n",
            6,
            "binary change",
        ),
        (b"diff --git a/x b/x\nindex 1..2\nGIT binary patch\nliteral 1\nx\n", 6, "binary change"),
    ],
)
def test_what_git_would_pass_over_is_refused_by_its_line(diff: bytes, line: int, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        _parse(diff)
    assert said in caught.value.what
    assert f"0001-a.patch, line {line}:" in caught.value.what


def test_text_without_a_diff_is_no_patch() -> None:
    with pytest.raises(BadInput, match="holds no `diff --git` line"):
        read_patch("0001-a.patch", b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-x\n+y\n")


def test_the_message_of_a_patchs_commit_gives_the_patch_back() -> None:
    patch = make_patch("0001-a.patch", HEADER, ONE_HUNK)
    assert patch_of_commit(patch.message, ONE_HUNK) == patch


@pytest.mark.parametrize(
    "message", [b"mend a thing\n\nbody\n", b"../x.patch\n\nbody\n", b"x.patch\n"]
)
def test_a_message_that_is_no_patchs_gives_none(message: bytes) -> None:
    assert patch_of_commit(message, ONE_HUNK) is None


def test_the_series_of_this_checkout_can_be_read() -> None:
    folder = Path(__file__).resolve().parents[4] / "patches"
    patches = sorted(folder.glob("*/*.patch"))
    assert patches
    for path in patches:
        assert parse_diff(read_patch(path.name, path.read_bytes()))
