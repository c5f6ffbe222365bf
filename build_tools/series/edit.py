"""Changes to a series: add, refresh, drop, reorder. Each is whole, or leaves all as it was."""

from __future__ import annotations

from collections.abc import Sequence

from build_tools.pin.definition import Pin
from build_tools.progress import Report
from build_tools.series.apply import end_of
from build_tools.series.commits import commit_patches
from build_tools.series.folder import Series
from build_tools.series.patch import PatchFile, make_patch
from build_tools.series.rewrite import rewrite_series
from build_tools.tree.edits import tree_with_edits
from build_tools.tree.repository import Repository
from build_tools.tree.text_diff import text_diff
from llamaproof.errors import BadInput


def patch_from_edits(repository: Repository, series: Series, name: str, header: bytes) -> PatchFile:
    """The uncommitted edits of the tree as a patch.

    Raises:
        BadInput: there are none, or the tree does not stand at the end of the series.
    """
    _require_at_end(repository, series)
    diff = text_diff(repository, "HEAD", tree_with_edits(repository))
    if not diff:
        raise BadInput(
            "the tree has no edits to make a patch of",
            where=repository.path,
            hint="edit files there, or give a patch file",
        )
    return make_patch(name, header, diff)


def add_patch(
    repository: Repository,
    series: Series,
    pin: Pin,
    patch: PatchFile,
    *,
    position: int,
    report: Report,
) -> Series:
    """Put a patch at a place of the series (0 is the front)."""
    if patch.name in series.names:
        raise BadInput(f"there is a patch {patch.name} already", where=series.folder)
    patches = [*series.patches[:position], patch, *series.patches[position:]]
    return rewrite_series(repository, series.with_patches(patches), pin, report)


def refresh_patch(
    repository: Repository, series: Series, pin: Pin, name: str, report: Report
) -> Series:
    """Fold the uncommitted edits of the tree into a patch."""
    position = series.index(name)
    edits = patch_from_edits(repository, series, "0000-edits.patch", b"")
    patch = series.patches[position]
    upto = [*series.patches[: position + 1], edits]
    applied = commit_patches(repository, upto, onto=repository.base)
    parent = applied[position - 1].commit if position else repository.base
    diff = text_diff(repository, parent, applied[-1].commit)
    if not diff:
        raise BadInput(f"{name} would change nothing any more", hint="drop it instead")
    patches = list(series.patches)
    patches[position] = make_patch(name, patch.header, diff)
    return rewrite_series(repository, series.with_patches(patches), pin, report)


def drop_patch(
    repository: Repository, series: Series, pin: Pin, name: str, report: Report
) -> Series:
    """Take a patch out of the series."""
    position = series.index(name)
    patches = [*series.patches[:position], *series.patches[position + 1 :]]
    return rewrite_series(repository, series.with_patches(patches), pin, report)


def reorder(
    repository: Repository, series: Series, pin: Pin, names: Sequence[str], report: Report
) -> Series:
    """Put the patches in another order.

    Raises:
        BadInput: the names are not just those of the series.
    """
    if sorted(names) != sorted(series.names):
        raise BadInput(
            "a new order names each patch once",
            where=series.folder,
            hint=f"the patches are {' '.join(series.names)}",
        )
    patches = [series.patches[series.index(name)] for name in names]
    return rewrite_series(repository, series.with_patches(patches), pin, report)


def _require_at_end(repository: Repository, series: Series) -> None:
    if repository.head != end_of(repository, series):
        raise BadInput(
            "the tree does not stand at the end of the series, so its edits are no patch to it",
            where=repository.path,
            hint="`series status` says why; `series export` keeps commits, `series apply` follows",
        )
