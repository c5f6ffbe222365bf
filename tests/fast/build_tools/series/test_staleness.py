"""Claims: each way in which series, lock and tree are out of step has a name, and says which."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from build_tools.series.lock import read_lock
from build_tools.series.rewrite import rewrite_series
from build_tools.series.staleness import (
    Kind,
    Stale,
    against_lock,
    result_against_lock,
    tree_against_series,
)
from build_tools.tree.move import move_to
from tests.support.build_tools.workbench import Workbench, users_git

EARLY, LATE, FILES_PATCH = "0001-early.patch", "0002-late.patch", "0003-files.patch"


def _stale(bench: Workbench) -> list[Stale]:
    series, lock = bench.series, read_lock(bench.folder)
    return [
        *against_lock(series, lock, bench.pin.name),
        *result_against_lock(bench.repository, series, lock),
        *tree_against_series(bench.repository, series),
    ]


def _order(bench: Workbench, *names: str) -> None:
    (bench.folder / "series").write_text("".join(f"{name}\n" for name in names))


def _edit_lock(bench: Workbench, old: str, new: str) -> None:
    bench.rewrite_patch("series.lock", old.encode(), new.encode())


def _drop_by_hand(bench: Workbench) -> None:
    _order(bench, EARLY, LATE)
    (bench.folder / FILES_PATCH).unlink()


def _add_by_hand(bench: Workbench) -> None:
    text = (bench.folder / FILES_PATCH).read_bytes()
    bench.folder.joinpath("0004-x.patch").write_bytes(text.replace(b"models/new", b"models/newer"))
    bench.rewrite_patch("0004-x.patch", b"diff --git a/src/c.h", b"diff --git a/src/b.c")
    start = (bench.folder / "0004-x.patch").read_bytes().index(b"diff --git a/src/b.c")
    path = bench.folder / "0004-x.patch"
    path.write_bytes(path.read_bytes()[:start])
    _order(bench, EARLY, LATE, FILES_PATCH, "0004-x.patch")


def _commit_by_hand(bench: Workbench) -> None:
    bench.edit("src/b.c", b"return 1", b"return 7")
    users_git(bench.tree, "commit", "--all", "--message", "by hand")


def _interrupt(bench: Workbench) -> None:
    (bench.tree / ".git" / "llamaproof-moving").write_text(bench.repository.head)


def _pull(bench: Workbench) -> None:
    """Folder and lock move on together, the tree does not: what git pull leaves."""
    end = bench.repository.head
    bench.edit("models/new.txt", b"new", b"newer")
    bench.add("0004-pulled.patch")
    move_to(bench.repository, end)


WAYS: dict[str, tuple[Callable[[Workbench], object], set[Kind]]] = {
    "lock missing": (lambda b: (b.folder / "series.lock").unlink(), {Kind.LOCK_MISSING}),
    "lock of another pin": (
        lambda b: _edit_lock(b, '"toy-1.0"', '"toy-2.0"'),
        {Kind.LOCK_OF_OTHER_PIN},
    ),
    "lock of another base": (
        lambda b: _edit_lock(b, '"base_tree": "', '"base_tree": "0'),
        {Kind.LOCK_OF_OTHER_BASE},
    ),
    "lock of another result": (
        lambda b: _edit_lock(b, '"tree": "', '"tree": "0'),
        {Kind.RESULT_NOT_LOCKED},
    ),
    "lock of another hash": (
        lambda b: _edit_lock(b, '"tree_sha256": "', '"tree_sha256": "0'),
        {Kind.RESULT_NOT_LOCKED},
    ),
    "patch edited": (
        lambda b: b.rewrite_patch(FILES_PATCH, b"+new, and", b"+newer, and"),
        {
            Kind.EDITED_SINCE_LOCK,
            Kind.NOT_RENEWED,
            Kind.RESULT_NOT_LOCKED,
            Kind.TREE_HAS_OLD_PATCH,
        },
    ),
    "header edited": (
        lambda b: b.rewrite_patch(EARLY, b"mend a thing", b"mend it better"),
        {Kind.EDITED_SINCE_LOCK, Kind.TREE_HAS_OLD_PATCH},
    ),
    "patch not as export writes it": (
        lambda b: b.rewrite_patch(EARLY, b"@@ -1,6 +1,6 @@", b"@@ -1,6 +1,6 @@ somewhere"),
        {Kind.EDITED_SINCE_LOCK, Kind.NOT_RENEWED},
    ),
    "patch added by hand": (
        _add_by_hand,
        {
            Kind.ADDED_SINCE_LOCK,
            Kind.RESULT_NOT_LOCKED,
            Kind.TREE_LACKS_PATCH,
        },
    ),
    "patch dropped by hand": (
        _drop_by_hand,
        {Kind.DROPPED_SINCE_LOCK, Kind.RESULT_NOT_LOCKED, Kind.TREE_HAS_DROPPED_PATCH},
    ),
    "reordered by hand": (
        lambda b: _order(b, FILES_PATCH, EARLY, LATE),
        {Kind.REORDERED_SINCE_LOCK, Kind.TREE_IN_OTHER_ORDER},
    ),
    "patch that does not apply": (
        lambda b: b.rewrite_patch(LATE, b" line 29\n", b" line XXIX\n"),
        {Kind.EDITED_SINCE_LOCK, Kind.DOES_NOT_APPLY, Kind.TREE_HAS_OLD_PATCH},
    ),
    "tree edited": (
        lambda b: b.edit("src/b.c", b"return 1", b"return 7"),
        {Kind.TREE_EDITED},
    ),
    "tree with commits": (_commit_by_hand, {Kind.TREE_HAS_COMMITS}),
    "tree behind": (_pull, {Kind.TREE_LACKS_PATCH}),
    "tree interrupted": (_interrupt, {Kind.TREE_INTERRUPTED}),
}


def test_a_series_in_step_has_nothing_to_say(patched: Workbench) -> None:
    assert _stale(patched) == []


def test_a_pin_without_a_series_is_in_step(bench: Workbench) -> None:
    assert _stale(bench) == []


@pytest.mark.parametrize("way", WAYS)
def test_each_way_has_its_name(patched: Workbench, way: str) -> None:
    spoil, expected = WAYS[way]
    spoil(patched)
    assert {stale.kind for stale in _stale(patched)} == expected


def test_every_name_is_planted_above() -> None:
    assert set().union(*(kinds for _, kinds in WAYS.values())) == set(Kind)


def test_what_is_said_names_the_patch_and_both_hashes(patched: Workbench) -> None:
    before = patched.series.patches[2].sha256
    patched.rewrite_patch(FILES_PATCH, b"+new, and", b"+newer, and")
    after = patched.series.patches[2].sha256
    said = [str(stale) for stale in _stale(patched)]
    assert said[0] == (
        f"{FILES_PATCH} is not the file that was locked: "
        f"expected sha256 {before}, found {after} [edited-since-lock]"
    )


USERS_WORK = {"patch that does not apply", "tree edited", "tree with commits"}


@pytest.mark.parametrize("way", sorted(set(WAYS) - USERS_WORK))
def test_lock_mends_whatever_is_no_work_of_the_users(patched: Workbench, way: str) -> None:
    spoil, _ = WAYS[way]
    spoil(patched)
    rewrite_series(patched.repository, patched.series, patched.pin, patched.said.append)
    assert _stale(patched) == []
