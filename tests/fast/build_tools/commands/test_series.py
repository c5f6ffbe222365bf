"""Claims: the verbs of `series` do what they say; exit codes tell defect from not checked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from build_tools.cli import main
from build_tools.commands.series import command as series_command
from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED
from llamaproof.exits import INTERRUPTED
from tests.support.build_tools.sources import PIN
from tests.support.build_tools.workbench import HEADER, Workbench

EARLY, LATE, FILES_PATCH = "0001-early.patch", "0002-late.patch", "0003-files.patch"

Series = Callable[..., int]


@pytest.fixture
def series(patched: Workbench) -> Series:
    """`python -m build_tools series` in the checkout of `patched`."""
    return lambda *words: main(["series", "--pin", PIN, *words], patched.checkout)


def test_status_of_a_series_in_step(series: Series, capsys: pytest.CaptureFixture[str]) -> None:
    assert series("status") == HOLDS
    said = capsys.readouterr().out
    assert f"3 patches over {PIN}" in said
    assert "as locked" in said


def test_status_names_what_is_out_of_step(
    series: Series, patched: Workbench, capsys: pytest.CaptureFixture[str]
) -> None:
    patched.rewrite_patch(EARLY, b"mend", b"amend")
    assert series("status") == DEFECT
    said = capsys.readouterr().out
    assert "[edited-since-lock]" in said
    assert "[tree-has-old-patch]" in said


def test_status_without_a_tree_lays_none_out(
    series: Series, patched: Workbench, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(patched.tree)
    assert series("status") == NOT_CHECKED
    assert "[tree-not-laid]" in capsys.readouterr().out
    assert not patched.tree.exists()


def test_lint_holds_says_what_it_did_not_check_and_names_defects(
    series: Series, patched: Workbench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert series("lint") == HOLDS
    assert capsys.readouterr().out == f"{PIN}: holds\n"
    shutil.rmtree(patched.tree)
    assert series("lint") == NOT_CHECKED
    assert "could not be checked" in capsys.readouterr().out
    assert series("lint", "--fetch") == HOLDS
    patched.rewrite_patch(EARLY, b"Author: ", b"Writer: ")
    assert series("lint") == DEFECT
    assert f"{EARLY}: Author is missing" in capsys.readouterr().out


def test_add_from_edits_with_what_is_to_be_said_of_it(series: Series, patched: Workbench) -> None:
    patched.edit("src/b.c", b"return 1", b"return 7")
    words = ("--description", "b: return 7\n\nBecause.", "--last-update", "2026-03-04")
    more = ("--origin", "backport, commit 12", "--applied-upstream", "1.1", "--forwarded", "")
    assert series("add", "0004-b.patch", "--before", LATE, *words, *more) == HOLDS
    assert patched.series.names == (EARLY, "0004-b.patch", LATE, FILES_PATCH)
    assert patched.series.patches[1].header.decode() == (
        "Description: b: return 7\n .\n Because.\n"
        "Author: llamaproof maintainers <maintainers@llamaproof.invalid>\n"
        "Origin: backport, commit 12\nApplied-Upstream: 1.1\nLast-Update: 2026-03-04\n\n"
    )
    assert series("lint") == HOLDS
    assert series("status") == HOLDS


def test_add_from_a_file_keeps_its_header(
    series: Series, patched: Workbench, tmp_path: Path
) -> None:
    diff = (patched.folder / FILES_PATCH).read_bytes()
    diff = diff[diff.index(b"diff --git") : diff.index(b"diff --git a/src/c.h")]
    source = tmp_path / "x.patch"
    source.write_bytes(HEADER.replace(b"A Person", b"B Person") + b"\n" + diff)
    assert series("drop", FILES_PATCH) == HOLDS
    assert series("add", "0003-new", "--from", str(source), "--after", EARLY) == HOLDS
    assert patched.series.names == (EARLY, "0003-new.patch", LATE)
    assert b"B Person" in patched.series.patches[1].header


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "0004-x.patch"), "a new patch needs its reason"),
        (("add", "../x", "--description", "x"), "is no name for a patch"),
        (("add", "0004-x", "--description", "x"), "no edits to make a patch of"),
        (("add", "0004-x", "--description", "x", "--after", "y"), "no patch is called y"),
        (("drop", "0009-x.patch"), f"known: {EARLY}, {LATE}, {FILES_PATCH}"),
        (("reorder", EARLY), "names each patch once"),
        (("refresh", EARLY), "no edits"),
        (("port", "toy-9.9"), "there is no pin called 'toy-9.9'"),
    ],
)
def test_what_makes_no_sense_is_answered_in_words(
    series: Series,
    patched: Workbench,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    before = patched.files()
    assert series(*words) == NOT_CHECKED
    assert said in capsys.readouterr().err
    assert patched.files() == before


def test_the_other_commands_change_the_series(series: Series, patched: Workbench) -> None:
    patched.edit("a.txt", b"line three", b"line III")
    assert series("refresh", EARLY) == HOLDS
    assert series("reorder", LATE, EARLY, FILES_PATCH) == HOLDS
    assert series("export") == HOLDS
    assert series("drop", LATE) == HOLDS
    assert series("lock") == HOLDS
    assert series("apply") == HOLDS
    assert series("status") == HOLDS
    assert patched.series.names == (EARLY, FILES_PATCH)
    assert b"line III" in (patched.tree / "a.txt").read_bytes()


def test_port_reports_and_writes_when_told(
    series: Series, patched: Workbench, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor = patched.checkout / "vendor"
    text = (vendor / f"{PIN}.toml").read_text().replace('version = "1.0"', 'version = "1.1"')
    (vendor / "toy-1.1.toml").write_text(text)
    assert series("port", "toy-1.1") == HOLDS
    said = capsys.readouterr().out
    assert f"{EARLY} applies\n" in said
    assert "3 of 3 patches would stand on toy-1.1" in said
    assert not (patched.checkout / "patches" / "toy-1.1").exists()
    assert series("port", "toy-1.1", "--write") == HOLDS
    assert main(["series", "--pin", "toy-1.1", "status"], patched.checkout) == HOLDS


def test_an_interrupt_has_its_exit_code(
    series: Series, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(series_command, "apply_series", interrupt)
    assert series("apply") == INTERRUPTED
    assert "run it again" in capsys.readouterr().err
