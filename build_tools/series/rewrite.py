"""A series written anew: its patches, its lock, and the tree that they make."""

from __future__ import annotations

from collections.abc import Sequence

from build_tools.pin.definition import Pin
from build_tools.progress import Report
from build_tools.series.apply import report_touched, require_no_foreign_commits
from build_tools.series.commits import AppliedPatch, commit_patches
from build_tools.series.folder import Series, write_series
from build_tools.series.lock import make_lock
from build_tools.series.patch import PatchFile, make_patch
from build_tools.tree.move import staged_move
from build_tools.tree.repository import Repository
from build_tools.tree.text_diff import text_diff


def rewrite_series(repository: Repository, series: Series, pin: Pin, report: Report) -> Series:
    """Make this the series: written in export's form, locked, and the tree brought to it.

    Whatever could fail is tried first: the patches, the move of the tree, the folder.

    Raises:
        BadInput: a patch does not apply, or the tree holds work that no patch holds.
    """
    applied = commit_patches(repository, series.patches, onto=repository.base)
    target = applied[-1].commit if applied else repository.base
    require_no_foreign_commits(repository, target)
    written = series.with_patches(_renewed(repository, series.patches, applied))
    with staged_move(repository, target) as finish:
        write_locked(repository, written, pin, target, report)
        report_touched(repository, finish(), report)
    return written


def write_locked(
    repository: Repository, series: Series, pin: Pin, target: str, report: Report
) -> None:
    before = {
        path.name: path.read_bytes()
        for path in (series.folder.glob("*.patch") if series.folder.is_dir() else ())
    }
    if not write_series(series, make_lock(repository, series.patches, pin, target)):
        report(f"series: {series.folder.name} is unchanged")
        return
    for patch in series.patches:
        if patch.name not in before:
            report(f"series: {patch.name} is new")
        elif before[patch.name] != patch.data:
            report(f"series: {patch.name} was renewed")
    for name in sorted(set(before) - set(series.names)):
        report(f"series: {name} is gone")
    report(f"series: locked, {len(series.patches)} in {series.folder.name}")


def _renewed(
    repository: Repository, patches: Sequence[PatchFile], applied: Sequence[AppliedPatch]
) -> list[PatchFile]:
    """The patches as their commits give them: line numbers and ids of today's tree."""
    parents = [repository.base, *(result.commit for result in applied)]
    return [
        make_patch(patch.name, patch.header, text_diff(repository, parent, result.commit))
        for patch, parent, result in zip(patches, parents, applied, strict=False)
    ]
