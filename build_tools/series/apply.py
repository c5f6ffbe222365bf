"""The tree to build from: a pin's source with its series applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from build_tools.pin.definition import Pin, load_pin
from build_tools.progress import Report, show
from build_tools.series.commits import commit_patches
from build_tools.series.folder import OrderFile, Series, load_series, series_folder
from build_tools.series.lock import LockedPatch, SeriesLock, read_lock
from build_tools.sole_use import sole_use
from build_tools.tree.base import ensure_base, tree_folder
from build_tools.tree.repository import Repository
from llamaproof.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class PreparedTree:
    """A tree that is what its pin and series say.

    Attributes:
        path: the folder; absolute.
        pin: the source it started from.
        patches: the names of the patches in it, in order; none for the stock tree.
        tree_id: git's id of the tree.
        locked: whether the series is the one that its lock names.
    """

    path: Path
    pin: Pin
    patches: tuple[str, ...]
    tree_id: str
    locked: bool


def prepare_tree(
    checkout: Path,
    pin_name: str,
    *,
    stock: bool = False,
    first: int | None = None,
    in_place: bool = False,
    report: Report = show,
) -> PreparedTree:
    """Lay out a pin's tree and apply its series; quick when both are there already.

    Only files whose content differs are touched, so a build over the tree compiles no more than
    it must.

    Args:
        stock: the source as it was released, in a folder of its own.
        first: only so many patches of the series, in a folder of their own.
        in_place: use the one folder of the whole series for either, so that a build over it
            compiles only what differs; the next run moves it back.

    Raises:
        BadInput: there are fewer patches than `first`, the source is not the pinned one, a patch
            does not apply, or the tree holds edits or commits that no patch holds. The tree is
            as it was.
    """
    checkout = checkout.resolve()
    pin = load_pin(checkout, pin_name)
    count = 0 if stock else first
    with sole_use(tree_folder(checkout, pin_name), report):
        series, lock = _wanted(series_folder(checkout, pin_name), count)
    folder = tree_folder(checkout, pin_name, first=None if in_place else count)
    with sole_use(folder, report):
        repository = ensure_base(checkout, pin, folder, report)
        locked = count == 0 or is_locked(repository, series, lock, first=count)
        if count is not None or not locked or not _stands_at_lock(repository, lock):
            apply_series(repository, series, report)
        if not locked:
            report(f"series: {series.folder.name} is not what its lock says; see `series status`")
        return PreparedTree(
            path=repository.path,
            pin=pin,
            patches=series.names,
            tree_id=repository.tree_id("HEAD"),
            locked=locked,
        )


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
    report_touched(repository, repository.move_to(target), report)


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


def make_lock(repository: Repository, series: Series, pin: Pin, commit: str) -> SeriesLock:
    """The lock of a series whose last patch is `commit`."""
    return SeriesLock(
        pin=pin.name,
        base_tree=repository.tree_id(repository.base),
        patches=tuple(LockedPatch(name=p.name, sha256=p.sha256) for p in series.patches),
        tree=repository.tree_id(commit),
        tree_sha256=repository.hash_tree(commit),
    )


def is_locked(
    repository: Repository, series: Series, lock: SeriesLock | None, *, first: int | None = None
) -> bool:
    """Whether a series (or its first patches) over this base is what its lock was written for."""
    if lock is None:
        return not series.patches
    patches = tuple(LockedPatch(name=p.name, sha256=p.sha256) for p in series.patches)
    return lock.patches[:first] == patches and lock.base_tree == repository.tree_id(repository.base)


def _wanted(folder: Path, first: int | None) -> tuple[Series, SeriesLock | None]:
    """A series, or its first patches, with the lock of the whole."""
    if first == 0:
        return Series(folder=folder, order=OrderFile(entries=()), patches=()), None
    series = load_series(folder)
    if first is not None and not 0 < first <= len(series.patches):
        raise BadInput(
            f"there are no first {first} patches", where=folder, hint=f"of {len(series.patches)}"
        )
    return series.with_patches(series.patches[:first]), read_lock(folder)


def _stands_at_lock(repository: Repository, lock: SeriesLock | None) -> bool:
    wanted = lock.tree if lock is not None else repository.tree_id(repository.base)
    if repository.is_interrupted() or repository.tree_id("HEAD") != wanted:
        return False
    return not repository.edited_files()
