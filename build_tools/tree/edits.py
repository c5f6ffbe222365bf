"""What a work tree holds that its commit does not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence

from build_tools.tree.repository import Blob, Repository
from llamaproof.errors import BadInput, LlamaproofError


def edited_files(repository: Repository) -> tuple[str, ...]:
    """Files that differ from where the tree stands, new ones too; build outputs aside."""
    repository.git.run("update-index", "-q", "--refresh", allowed=(0, 1))
    found = {
        *repository.git.names("diff-index", "-z", "--name-only", "HEAD"),
        *repository.git.names("diff-index", "-z", "--name-only", "--cached", "HEAD"),
        # Not the tree's own .gitignore: CMake's globs take in what it ignores.
        *repository.git.names(
            "ls-files", "-z", "--others", f"--exclude-from={repository.exclude_file}"
        ),
    }
    return tuple(sorted(found))


def require_unedited(repository: Repository) -> None:
    """Raise unless the work tree is just what its commit says.

    Raises:
        BadInput: naming the files.
    """
    edited = edited_files(repository)
    if edited:
        raise edits_in_the_way(repository, edited)


def tree_with_edits(repository: Repository) -> str:
    """The work tree as it is, with edits and new files, written as a git tree; its id."""
    with repository.scratch("edits") as scratch:
        index = scratch / "index"
        shutil.copy2(repository.git_dir / "index", index)
        repository.git.run("read-tree", "--reset", "-i", "HEAD", index=index)
        names = b"".join(os.fsencode(name) + b"\0" for name in edited_files(repository))
        repository.git.run(
            "update-index", "-z", "--add", "--remove", "--stdin", stdin=names, index=index
        )
        return repository.git.text("write-tree", index=index)


def staged_entries(repository: Repository) -> Mapping[str, Blob | None]:
    """Files whose index entry is not what HEAD has; None where the index has none."""
    names = repository.git.names("diff-index", "-z", "--name-only", "--cached", "HEAD")
    if not names:
        return {}
    entries: dict[str, Blob] = {}
    for record in repository.git.run("ls-files", "--stage", "-z").stdout.split(b"\0"):
        if record:
            facts, _, name = record.partition(b"\t")
            mode, blob_id, _ = facts.split(b" ")
            entries[os.fsdecode(name)] = Blob(mode=mode, blob_id=blob_id.decode())
    return {name: entries.get(name) for name in names}


def edits_in_the_way(repository: Repository, names: Sequence[str]) -> LlamaproofError:
    """The error that tells of edits by name; nothing has been changed where it is raised."""
    listed = "".join(f"\n    {name}" for name in names[:20])
    more = f"\n    and {len(names) - 20} more" if len(names) > 20 else ""
    return BadInput(
        f"the tree has edits that no patch holds:{listed}{more}",
        where=repository.path,
        hint="keep them with `series add` or `series refresh`, or undo them with "
        "`git checkout -- .` and `git clean` in the tree; nothing was changed",
    )
