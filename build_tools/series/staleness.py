"""The ways in which a series, its lock and its tree can be out of step, each with a name."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from build_tools.series.apply import end_of
from build_tools.series.commits import PatchDoesNotApply, commit_patches
from build_tools.series.folder import Series
from build_tools.series.lock import SeriesLock
from build_tools.series.patch import PatchFile, patch_of_commit
from build_tools.tree.edits import edited_files
from build_tools.tree.move import is_interrupted
from build_tools.tree.repository import Repository
from build_tools.tree.text_diff import text_diff
from llamaproof.errors import LlamaproofError


class Kind(enum.Enum):
    """What is out of step with what."""

    LOCK_MISSING = "lock-missing"
    LOCK_OF_OTHER_PIN = "lock-of-other-pin"
    LOCK_OF_OTHER_BASE = "lock-of-other-base"
    ADDED_SINCE_LOCK = "added-since-lock"
    DROPPED_SINCE_LOCK = "dropped-since-lock"
    EDITED_SINCE_LOCK = "edited-since-lock"
    REORDERED_SINCE_LOCK = "reordered-since-lock"
    RESULT_NOT_LOCKED = "result-not-locked"
    DOES_NOT_APPLY = "does-not-apply"
    NOT_RENEWED = "not-renewed"
    TREE_INTERRUPTED = "tree-interrupted"
    TREE_EDITED = "tree-edited"
    TREE_HAS_COMMITS = "tree-has-commits"
    TREE_LACKS_PATCH = "tree-lacks-patch"
    TREE_HAS_DROPPED_PATCH = "tree-has-dropped-patch"
    TREE_HAS_OLD_PATCH = "tree-has-old-patch"
    TREE_IN_OTHER_ORDER = "tree-in-other-order"


@dataclass(frozen=True, kw_only=True)
class Stale:
    """One thing out of step: its name, and in words what it is and what to do."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.text} [{self.kind.value}]"


def against_lock(series: Series, lock: SeriesLock | None, pin_name: str) -> tuple[Stale, ...]:
    """How the patches differ from what their lock says of them; needs no tree."""
    if lock is None:
        if not series.patches:
            return ()
        return (Stale(kind=Kind.LOCK_MISSING, text="there is no lock: `series lock` writes it"),)
    found: list[Stale] = []
    if lock.pin != pin_name:
        text = f"the lock is for {lock.pin}, not {pin_name}"
        found.append(Stale(kind=Kind.LOCK_OF_OTHER_PIN, text=text))
    found += _changed_since(lock, series)
    locked = [patch.name for patch in lock.patches]
    if _order_differs(locked, series.names):
        text = f"the order was locked as {', '.join(locked)}"
        found.append(Stale(kind=Kind.REORDERED_SINCE_LOCK, text=text))
    return tuple(found)


def _changed_since(lock: SeriesLock, series: Series) -> Iterator[Stale]:
    """Patches that were added, edited or dropped since the lock was written."""
    hashes = {patch.name: patch.sha256 for patch in lock.patches}
    for patch in series.patches:
        if patch.name not in hashes:
            yield Stale(kind=Kind.ADDED_SINCE_LOCK, text=f"{patch.name} is not in the lock")
        elif hashes[patch.name] != patch.sha256:
            text = (
                f"{patch.name} is not the file that was locked: "
                f"expected sha256 {hashes[patch.name]}, found {patch.sha256}"
            )
            yield Stale(kind=Kind.EDITED_SINCE_LOCK, text=text)
    for name in hashes:
        if name not in series.names:
            text = f"{name} is in the lock but not in the series"
            yield Stale(kind=Kind.DROPPED_SINCE_LOCK, text=text)


def result_against_lock(
    repository: Repository, series: Series, lock: SeriesLock | None
) -> tuple[Stale, ...]:
    """Whether the patches apply, are in export's form, and give the tree that is locked."""
    try:
        applied = commit_patches(repository, series.patches, onto=repository.base)
    except PatchDoesNotApply as error:
        return (Stale(kind=Kind.DOES_NOT_APPLY, text=str(error)),)
    found: list[Stale] = []
    parent = repository.base
    for patch, result in zip(series.patches, applied, strict=True):
        if not _is_renewed(repository, patch, parent, result.commit):
            text = f"{patch.name} is not as export would write it: `series lock` renews it"
            found.append(Stale(kind=Kind.NOT_RENEWED, text=text))
        parent = result.commit
    if lock is None:
        return tuple(found)
    base_tree, tree = repository.tree_id(repository.base), repository.tree_id(parent)
    facts = (
        (Kind.LOCK_OF_OTHER_BASE, "base tree", lock.base_tree, base_tree),
        (Kind.RESULT_NOT_LOCKED, "patched tree", lock.tree, tree),
        (Kind.RESULT_NOT_LOCKED, "tree's hash", lock.tree_sha256, repository.hash_tree(parent)),
    )
    for kind, what, expected, seen in facts:
        if expected != seen:
            text = f"the {what} is not the locked one: expected {expected}, found {seen}"
            found.append(Stale(kind=kind, text=text))
    return tuple(found)


def tree_against_series(repository: Repository, series: Series) -> tuple[Stale, ...]:
    """How the tree differs from what the series would make of it."""
    found: list[Stale] = []
    if is_interrupted(repository):
        text = "a change of the tree was interrupted: `series apply` finishes it"
        found.append(Stale(kind=Kind.TREE_INTERRUPTED, text=text))
    edited = edited_files(repository)
    if edited:
        text = f"edited in the tree, in no patch: {', '.join(edited)}"
        found.append(Stale(kind=Kind.TREE_EDITED, text=text))
    foreign = repository.foreign_commits()
    if foreign:
        text = f"commits in the tree that no patch holds: {', '.join(foreign)}; `series export`"
        found.append(Stale(kind=Kind.TREE_HAS_COMMITS, text=text))
    if foreign or _stands_at_end(repository, series):
        return tuple(found)
    return (*found, *_patches_out_of_step(repository, series))


def _patches_out_of_step(repository: Repository, series: Series) -> Iterable[Stale]:
    commits = repository.commits_after_base()
    parents = [repository.base, *commits]
    in_tree = [
        patch_of_commit(repository.message(commit), text_diff(repository, parent, commit))
        for parent, commit in zip(parents, commits, strict=False)
    ]
    patches = {patch.name: patch for patch in in_tree if patch is not None}
    for patch in series.patches:
        if patch.name not in patches:
            text = f"{patch.name} is not in the tree: `series apply`"
            yield Stale(kind=Kind.TREE_LACKS_PATCH, text=text)
        elif patches[patch.name].data != patch.data:
            text = f"{patch.name} is in the tree as it was before: `series apply`"
            yield Stale(kind=Kind.TREE_HAS_OLD_PATCH, text=text)
    for name in patches:
        if name not in series.names:
            text = f"{name} is in the tree but not in the series: `series apply`"
            yield Stale(kind=Kind.TREE_HAS_DROPPED_PATCH, text=text)
    if _order_differs(tuple(patches), series.names):
        text = f"the tree has the patches in the order {', '.join(patches)}: `series apply`"
        yield Stale(kind=Kind.TREE_IN_OTHER_ORDER, text=text)


def _stands_at_end(repository: Repository, series: Series) -> bool:
    try:
        return repository.head == end_of(repository, series)
    except LlamaproofError:  # a patch that does not apply is told of elsewhere
        return False


def _is_renewed(repository: Repository, patch: PatchFile, parent: str, commit: str) -> bool:
    written = patch_of_commit(repository.message(commit), text_diff(repository, parent, commit))
    return written is not None and written.data == patch.data


def _order_differs(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether the names that two lists share stand in another order in one of them."""
    return [n for n in one if n in other] != [n for n in other if n in one]
