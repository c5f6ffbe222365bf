"""The tree to build from: a pin's source with its series applied."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from build_tools.pin.definition import Pin, load_pin
from build_tools.progress import Report, show
from build_tools.series.apply import apply_series
from build_tools.series.folder import Series, load_series, series_folder
from build_tools.series.lock import SeriesLock, locked_patches, read_lock
from build_tools.series.order import OrderFile
from build_tools.series.patch import PatchFile
from build_tools.sole_use import sole_use
from build_tools.tree.base import ensure_base, tree_folder
from build_tools.tree.edits import edited_files
from build_tools.tree.move import is_interrupted
from build_tools.tree.repository import Repository
from llamaproof.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class PreparedTree:
    """A tree that is what its pin and series say.

    Attributes:
        path: the folder; absolute.
        pin: the source it started from.
        patches: the patches in it, in order; none for the stock tree.
        tree_id: git's id of the tree.
        locked: whether the series is the one that its lock names.
    """

    path: Path
    pin: Pin
    patches: tuple[PatchFile, ...]
    tree_id: str
    locked: bool

    @property
    def patch_names(self) -> tuple[str, ...]:
        return tuple(patch.name for patch in self.patches)


def prepare_tree(
    checkout: Path,
    pin_name: str,
    *,
    first: int | None = None,
    in_place: bool = False,
    report: Report = show,
) -> PreparedTree:
    """Lay out a pin's tree and apply its series; quick when both are there already.

    Only files whose content differs are touched, so a build over the tree compiles no more than
    it must.

    Args:
        first: only so many patches of the series, in a folder of their own; 0 is the source as it
            was released.
        in_place: use the one folder of the whole series for either, so that a build over it
            compiles only what differs; the next run moves it back.

    Raises:
        BadInput: there are fewer patches than `first`, the source is not the pinned one, a patch
            does not apply, or the tree holds edits or commits that no patch holds. The tree is
            as it was.
    """
    checkout = checkout.resolve()
    pin = load_pin(checkout, pin_name)
    with sole_use(tree_folder(checkout, pin_name), report):
        series, lock = _wanted(series_folder(checkout, pin_name), first)
    folder = tree_folder(checkout, pin_name, first=None if in_place else first)
    with sole_use(folder, report):
        repository = ensure_base(checkout, pin, folder, report)
        locked = first == 0 or _is_locked(repository, series, lock, first=first)
        if first is not None or not locked or not _stands_at_lock(repository, lock):
            apply_series(repository, series, report)
        if not locked:
            report(f"series: {series.folder.name} is not what its lock says; see `series status`")
        return PreparedTree(
            path=repository.path,
            pin=pin,
            patches=series.patches,
            tree_id=repository.tree_id("HEAD"),
            locked=locked,
        )


def _is_locked(
    repository: Repository, series: Series, lock: SeriesLock | None, *, first: int | None = None
) -> bool:
    """Whether a series (or its first patches) over this base is what its lock was written for."""
    if lock is None:
        return not series.patches
    patches = locked_patches(series.patches)
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
    if is_interrupted(repository) or repository.tree_id("HEAD") != wanted:
        return False
    return not edited_files(repository)
