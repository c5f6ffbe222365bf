"""Claims: the lint names every planted defect; what it cannot see it says it did not check."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from build_tools.series.lint import lint_series, series_names
from llamaproof.reports.outcome import Outcome
from tests.support.build_tools.sources import PIN
from tests.support.build_tools.workbench import Workbench

EARLY, LATE, FILES_PATCH = "0001-early.patch", "0002-late.patch", "0003-files.patch"


def test_a_good_series_holds(patched: Workbench) -> None:
    report = lint_series(patched.checkout, PIN)
    assert report
    assert report.outcome is Outcome.HOLDS


def test_without_a_tree_the_result_is_not_checked_and_that_is_said(patched: Workbench) -> None:
    shutil.rmtree(patched.tree)
    report = lint_series(patched.checkout, PIN)
    assert report.defects == ()
    assert "no tree is laid out" in report.unchecked[0]
    assert report.outcome is Outcome.NOT_CHECKED


def _append(name: str, text: str) -> Callable[[Workbench], object]:
    def spoil(bench: Workbench) -> None:
        with (bench.folder / name).open("a") as stream:
            stream.write(text)

    return spoil


def _binary(bench: Workbench) -> None:
    text = (bench.folder / EARLY).read_bytes()
    start = text.index(b"diff --git")
    binary = b"diff --git a/x b/x\nindex 1..2 100644\nBinary files a/x and b/x differ\n"
    (bench.folder / EARLY).write_bytes(text[:start] + binary)


WAYS: dict[str, tuple[Callable[[Workbench], object], str]] = {
    "unlisted": (
        lambda b: (b.folder / "0009-x.patch").write_text("x"),
        "0009-x.patch is there but not listed",
    ),
    "missing": (lambda b: (b.folder / LATE).unlink(), f"{LATE} is listed but not there"),
    "twice": (_append("series", f"{EARLY}\n"), f"{EARLY} is listed twice"),
    "no author": (
        lambda b: b.rewrite_patch(EARLY, b"Author: A Person <a@b.invalid>\n", b""),
        f"{EARLY}: Author is missing",
    ),
    "no reason": (
        lambda b: b.rewrite_patch(EARLY, b"Description: mend a thing\n", b""),
        f"{EARLY}: Description is missing",
    ),
    "no date": (
        lambda b: b.rewrite_patch(EARLY, b"Last-Update: 2026-01-31\n", b""),
        f"{EARLY}: Last-Update is missing",
    ),
    "signature": (_append(FILES_PATCH, "-- \n2.39.5\n"), "text that belongs to no hunk: '-- \\n'"),
    "binary": (_binary, "a binary change"),
    "no diff": (lambda b: (b.folder / LATE).write_text("x"), f"{LATE} holds no `diff --git`"),
    "lock gone": (lambda b: (b.folder / "series.lock").unlink(), "there is no lock"),
    "lock broken": (_append("series.lock", "}"), "series.lock is no JSON"),
    "edited": (
        lambda b: b.rewrite_patch(LATE, b"+and more", b"+and less"),
        f"{LATE} is not the file that was locked",
    ),
    "result": (
        lambda b: b.rewrite_patch("series.lock", b'"tree": "', b'"tree": "0'),
        "the patched tree is not the locked one: expected 0",
    ),
    "does not apply": (
        lambda b: b.rewrite_patch(LATE, b" line 29\n", b" line XXIX\n"),
        "the file has no line 'line XXIX'",
    ),
    "stray": (lambda b: (b.folder / "a.rej").write_text("x"), "a.rej does not belong here"),
    "no pin": (
        lambda b: (b.checkout / "vendor" / f"{PIN}.toml").unlink(),
        f"no pin is called {PIN}",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_defect_is_named(patched: Workbench, way: str) -> None:
    spoil, said = WAYS[way]
    spoil(patched)
    report = lint_series(patched.checkout, PIN)
    assert any(said in defect for defect in report.defects), report
    assert report.outcome is Outcome.DEFECT


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"result", "does not apply", "no pin"}))
def test_all_but_the_result_is_seen_without_a_tree(patched: Workbench, way: str) -> None:
    shutil.rmtree(patched.checkout / "build")
    shutil.rmtree(patched.checkout / ".cache")
    spoil, said = WAYS[way]
    spoil(patched)
    report = lint_series(patched.checkout, PIN)
    assert any(said in defect for defect in report.defects), report
    assert report.unchecked
    assert report.outcome is Outcome.DEFECT


def test_the_series_are_the_folders_of_patches(patched: Workbench) -> None:
    (patched.checkout / "patches" / "README.md").write_text("x")
    (patched.checkout / "patches" / f".{PIN}.new").mkdir()
    assert series_names(patched.checkout) == (PIN,)
