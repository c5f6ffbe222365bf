"""Patches to commits: each one applies without fuzz, or nothing is changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from build_tools.series.diff import parse_diff
from build_tools.series.misfit import misfits
from build_tools.series.patch import PatchFile
from build_tools.tree.repository import Repository
from llamaproof.errors import BadInput

_APPLY = ("apply", "--cached", "--whitespace=nowarn", "--verbose")

_OFFSET = re.compile(r"^Hunk #(\d+) succeeded at \d+ \(offset (-?\d+) lines?\)")

_CHECKING = re.compile(r"^Checking patch (.*)\.\.\.$")


@dataclass(frozen=True, kw_only=True)
class AppliedPatch:
    """A patch as a commit.

    Attributes:
        commit: its id.
        tree: git's id of its tree.
        offsets: hunks whose lines stood elsewhere than their numbers say, in words.
    """

    commit: str
    tree: str
    offsets: tuple[str, ...]


class PatchDoesNotApply(BadInput):
    """A patch does not fit the tree it should change.

    Args:
        patch: its name.
        reasons: each misfit: the file, the hunk, what was looked for.
    """

    def __init__(self, patch: str, reasons: Sequence[str], *, where: object, hint: str) -> None:
        listed = "".join(f"\n    {reason}" for reason in reasons)
        super().__init__(f"{patch} does not apply:{listed}", where=where, hint=hint)
        self.patch = patch
        self.reasons = tuple(reasons)


def commit_patches(
    repository: Repository, patches: Sequence[PatchFile], *, onto: str
) -> tuple[AppliedPatch, ...]:
    """Make each patch a commit on the one before it. The work tree and HEAD stay as they are.

    The same patches on the same commit give the same commit ids.

    Raises:
        PatchDoesNotApply: the first that does not.
    """
    applied: list[AppliedPatch] = []
    parent, parent_tree = onto, repository.tree_id(onto)
    with repository.scratch("apply") as scratch:
        index = scratch / "index"
        repository.git.run("read-tree", onto, index=index)
        for patch in patches:
            result = _commit_patch(repository, patch, parent=parent, index=index)
            # git passes over paths outside its tree without a word.
            if result.tree == parent_tree:
                raise PatchDoesNotApply(
                    patch.name, ["it changes nothing"], where=repository.path, hint="drop it"
                )
            applied.append(result)
            parent, parent_tree = result.commit, result.tree
    return tuple(applied)


def is_there_already(repository: Repository, patch: PatchFile, revision: str) -> bool:
    """Whether a commit's tree already has all that a patch would bring."""
    with repository.scratch("reverse") as scratch:
        index = scratch / "index"
        repository.git.run("read-tree", revision, index=index)
        undone = repository.git.run(
            *_APPLY, "--reverse", "--check", "-", stdin=patch.diff, index=index, allowed=(0, 1)
        )
        return undone.returncode == 0


def _commit_patch(
    repository: Repository, patch: PatchFile, *, parent: str, index: Path
) -> AppliedPatch:
    git = repository.git
    diffs = parse_diff(patch)
    result = git.run(*_APPLY, "-", stdin=patch.diff, index=index, allowed=(0, 1))
    if result.returncode != 0:
        raise PatchDoesNotApply(
            patch.name,
            misfits(repository, parent, diffs) or _errors(result.stderr),
            where=repository.path,
            hint="nothing was changed; rewrite the patch for this tree, then run it again",
        )
    tree = git.text("write-tree", index=index)
    commit = repository.commit(tree, parent=parent, message=patch.message)
    return AppliedPatch(commit=commit, tree=tree, offsets=_offsets(result.stderr))


def _errors(verbose: str) -> list[str]:
    return [line for line in verbose.splitlines() if line.startswith("error: ")]


def _offsets(verbose: str) -> tuple[str, ...]:
    found: list[str] = []
    path = ""
    for line in verbose.splitlines():
        if checking := _CHECKING.match(line):
            path = checking[1]
        elif offset := _OFFSET.match(line):
            found.append(f"hunk {offset[1]} of {path} is {offset[2]} lines off")
    return tuple(found)
