"""A work tree brought from one commit to another, whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from build_tools.tree.edits import edited_files, edits_in_the_way, staged_entries
from build_tools.tree.repository import Blob, Repository
from llamaproof.errors import BadInput

# Names the commit that a move goes to, from its first rename to its last step.
_JOURNAL = "llamaproof-moving"

_OPERATIONS = (
    "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG", "rebase-merge", "rebase-apply",
)  # fmt: skip


def move_to(repository: Repository, target: str) -> tuple[str, ...]:
    """Make the work tree what a commit says, and stand there.

    A file whose content is right already is not touched, its modification time stays. New
    content is written beside the tree first and renamed into place at the end, so that a
    full disk stops this before it has changed anything. An interrupt may leave files of both
    commits; the next move finishes that one first.

    Returns:
        The files that were written or removed.

    Raises:
        BadInput: the user's edits stand in the way; nothing has been changed.
    """
    with staged_move(repository, target) as finish:
        return finish()


@contextlib.contextmanager
def staged_move(repository: Repository, target: str) -> Iterator[Callable[[], tuple[str, ...]]]:
    """`move_to` in two steps: all that may fail or take room is done first.

    Gives a function that does the rest, by renaming.
    """
    _finish_interrupted(repository, target)
    _require_no_operation(repository)
    wanted = repository.files(target)
    touched = _plan(repository, target, wanted)
    with repository.scratch("move") as scratch:
        index = scratch / "index"
        shutil.copy2(repository.git_dir / "index", index)
        repository.git.run("read-tree", "--reset", "-i", target, index=index)
        stage = scratch / "files"
        _write_stage(repository, [n for n in touched if n in wanted], stage, index)
        (scratch / _JOURNAL).write_text(target)

        def finish() -> tuple[str, ...]:
            (scratch / _JOURNAL).replace(repository.git_dir / _JOURNAL)
            _rename_into_place(repository.path, touched, stage)
            repository.git.run("update-index", "-q", "--refresh", index=index)
            index.replace(repository.git_dir / "index")
            shutil.rmtree(scratch)
            repository.stand_at(target)
            (repository.git_dir / _JOURNAL).unlink()
            return touched

        yield finish


def is_interrupted(repository: Repository) -> bool:
    """Whether a move was cut off; the next one finishes it first."""
    return (repository.git_dir / _JOURNAL).exists()


def _finish_interrupted(repository: Repository, target: str) -> None:
    if is_interrupted(repository):
        interrupted = (repository.git_dir / _JOURNAL).read_text()
        if interrupted != target:
            move_to(repository, interrupted)


def _plan(repository: Repository, target: str, wanted: Mapping[str, Blob]) -> tuple[str, ...]:
    """The files to write or remove; an edit that is what is wanted is no edit."""
    edited = edited_files(repository)
    staged = staged_entries(repository)
    lost = [
        name
        for name in edited
        if not _is_in_state(repository.path / name, wanted.get(name))
        or (name in staged and staged[name] != wanted.get(name))
    ]
    if lost:
        raise edits_in_the_way(repository, lost)
    candidates = {*edited, *repository.differing("HEAD", target)}
    return tuple(
        sorted(n for n in candidates if not _is_in_state(repository.path / n, wanted.get(n)))
    )


def _is_in_state(path: Path, blob: Blob | None) -> bool:
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return blob is None
    if blob is None or stat.S_ISDIR(mode):
        return False
    if stat.S_ISLNK(mode):
        found_mode, content = b"120000", os.fsencode(path.readlink())
    else:
        found_mode = b"100755" if mode & stat.S_IXUSR else b"100644"
        content = path.read_bytes()
    found_id = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return (found_mode, found_id.hexdigest()) == (blob.mode, blob.blob_id)


def _write_stage(repository: Repository, names: Sequence[str], stage: Path, index: Path) -> None:
    stdin = b"".join(os.fsencode(name) + b"\0" for name in names)
    repository.git.run(
        "checkout-index", "-z", "--stdin", f"--prefix={stage}/", stdin=stdin, index=index
    )


def _rename_into_place(tree: Path, names: Sequence[str], stage: Path) -> None:
    staged = {name for name in names if os.path.lexists(stage / name)}
    for name in names:
        if name not in staged:
            (tree / name).unlink(missing_ok=True)
            _remove_empty_folders((tree / name).parent, tree)
    for name in sorted(staged):
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (stage / name).replace(target)


def _remove_empty_folders(folder: Path, tree: Path) -> None:
    while folder != tree:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _require_no_operation(repository: Repository) -> None:
    """A rebase or merge by hand has state of its own, which a move would not keep true."""
    found = [name for name in _OPERATIONS if (repository.git_dir / name).exists()]
    if found:
        raise BadInput(
            f"a git operation is under way in the tree ({found[0]})",
            where=repository.path,
            hint="finish or abort it there",
        )
