"""Commits back to patches."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from build_tools.pin.definition import Pin
from build_tools.progress import Report
from build_tools.series.apply import end_of
from build_tools.series.dep3 import Header
from build_tools.series.folder import Series, slug
from build_tools.series.patch import PatchFile, make_patch, patch_of_commit
from build_tools.series.rewrite import write_locked
from build_tools.tree.edits import require_unedited
from build_tools.tree.move import staged_move
from build_tools.tree.repository import Repository
from build_tools.tree.text_diff import text_diff
from llamaproof.errors import BadInput, LlamaproofError


def export_tree(
    repository: Repository, series: Series, pin: Pin, report: Report, *, overwrite: bool = False
) -> Series:
    """Write the tree's commits as the series' patches, with a fresh lock.

    A commit that a patch was made from gives that patch again, byte for byte when nothing has
    changed. One made by hand in the tree becomes a patch named after its first line.

    Args:
        overwrite: let the tree's commits replace patches that it was not made from.

    Raises:
        BadInput: edits are uncommitted, the commits are no line, or the series has changed
            since the tree was made from it. Nothing is written.
    """
    require_unedited(repository)
    if not overwrite:
        _require_made_from(repository, series)
    patches: list[PatchFile] = []
    parent = repository.base
    for commit in repository.commits_after_base():
        taken = [patch.name for patch in patches]
        patches.append(_patch_of(repository, commit, parent, taken))
        parent = commit
    exported = series.with_patches(patches)
    target = end_of(repository, exported)
    if repository.tree_id(target) != repository.tree_id("HEAD"):
        raise LlamaproofError(
            "the exported patches give another tree than the commits they came from",
            where=repository.path,
        )
    with staged_move(repository, target) as finish:
        write_locked(repository, exported, pin, target, report)
        finish()
    return exported


def _require_made_from(repository: Repository, series: Series) -> None:
    if repository.applied != end_of(repository, series):
        raise BadInput(
            "the series has changed since the tree was made from it",
            where=series.folder,
            hint="`series apply` brings the tree up to date; "
            "`series export --overwrite` lets the tree's commits replace the patches",
        )


def _patch_of(repository: Repository, commit: str, parent: str, taken: Sequence[str]) -> PatchFile:
    diff = text_diff(repository, parent, commit)
    message = repository.message(commit)
    patch = patch_of_commit(message, diff)
    if patch is None:
        patch = _patch_of_foreign(repository, commit, message, diff, number=len(taken) + 1)
    if not diff:
        raise BadInput(f"commit {commit} changes nothing", where=repository.path, hint="drop it")
    if patch.name in taken:
        raise BadInput(
            f"two commits call themselves {patch.name}; the second is {commit}",
            where=repository.path,
            hint="squash them, or give one another first line",
        )
    return patch


def _patch_of_foreign(
    repository: Repository, commit: str, message: bytes, diff: bytes, *, number: int
) -> PatchFile:
    """A patch of a commit made by hand; what its author did not say is left for lint to ask."""
    author, date = repository.git.text("log", "-1", "--format=%an <%ae>%n%as", commit).split("\n")
    text = message.decode("utf-8", "replace").strip()
    header = Header(
        description=text,
        author=author,
        last_update=datetime.date.fromisoformat(date),
    )
    name = f"{number:04d}-{slug(text.partition(chr(10))[0])}.patch"
    return make_patch(name, header.text(), diff)
