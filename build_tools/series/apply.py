"""A series on its tree: the work tree brought to where the patches end."""

from __future__ import annotations

from collections.abc import Sequence

from build_tools.progress import Report
from build_tools.series.commits import commit_patches
from build_tools.series.folder import Series
from build_tools.tree.move import move_to
from build_tools.tree.repository import Repository
from llamaproof.errors import BadInput


def apply_series(repository: Repository, series: Series, report: Report) -> str:
    """Make the tree what the series says; returns the commit it then stands at.

    Every patch is tried before the work tree changes at all.

    Raises:
        BadInput: a patch does not apply, or the tree holds edits or commits that no patch holds.
    """
    applied = commit_patches(repository, series.patches, onto=repository.base)
    for patch, result in zip(series.patches, applied, strict=True):
        for offset in result.offsets:
            report(f"series: {patch.name}: {offset}; `series lock` renews its numbers")
    target = applied[-1].commit if applied else repository.base
    bring_to(repository, target, report)
    return target


def end_of(repository: Repository, series: Series) -> str:
    """The commit that a series ends at; the base's, for a series of nothing.

    Raises:
        PatchDoesNotApply: the first that does not.
    """
    applied = commit_patches(repository, series.patches, onto=repository.base)
    return applied[-1].commit if applied else repository.base


def bring_to(repository: Repository, target: str, report: Report) -> None:
    """Move the work tree to a commit, unless that would lose commits that no patch holds.

    Raises:
        BadInput: it would, or edits stand in the way.
    """
    require_no_foreign_commits(repository, target)
    report_touched(repository, move_to(repository, target), report)


def report_touched(repository: Repository, touched: Sequence[str], report: Report) -> None:
    """Say how many files a move wrote or removed, if any."""
    if touched:
        report(f"tree: {len(touched)} files of {repository.path.name} written")


def require_no_foreign_commits(repository: Repository, target: str) -> None:
    """Raise when the tree stands on commits that neither patches nor `target` hold."""
    if repository.head == target:
        return
    foreign = repository.foreign_commits()
    if foreign:
        raise BadInput(
            f"the tree holds {len(foreign)} commits that no patch holds, {foreign[0]} first",
            where=repository.path,
            hint="take them into the series with `series export`, or `git reset` them in the tree",
        )
