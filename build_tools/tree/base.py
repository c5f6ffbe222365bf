"""The unpatched tree of a pin, laid out under build/tree/."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from build_tools.pin.definition import Pin
from build_tools.pin.sdist import SDIST_CACHE, fetch_sdist
from build_tools.pin.tree_hash import hash_folder
from build_tools.pin.unpack import unpack_sdist
from build_tools.progress import Report
from build_tools.tree.edits import edited_files, require_unedited
from build_tools.tree.repository import Repository
from llamaproof.errors import BadInput, LlamaproofError

_TREES = Path("build") / "tree"


def tree_folder(checkout: Path, pin_name: str, *, first: int | None = None) -> Path:
    """Where a pin's tree is laid: with its whole series, with the first patches alone, or none."""
    if first is None:
        return checkout / _TREES / pin_name
    return checkout / _TREES / (f"{pin_name}-first-{first}" if first else f"{pin_name}-stock")


def ensure_base(checkout: Path, pin: Pin, folder: Path, report: Report) -> Repository:
    """The tree of a pin, its base checked; laid out first where it is missing or of another pin.

    A tree is made under another name and renamed when it is whole. One that stands on another
    base is replaced by then, unless it holds work that no patch holds.

    Raises:
        BadInput: the archive or its tree is not what the pin says, or work would be lost.
    """
    _remove_remains(folder)
    if (folder / ".git").is_dir():
        Repository(folder).clear_remains()
    repository = laid_base(pin, folder)
    if repository is not None:
        return repository
    if folder.exists():
        report(f"tree: {folder.name} stands on another base than {pin.path.name} names")
        _require_no_work(Repository(folder))
    return _lay(checkout, pin, folder, report)


def laid_base(pin: Pin, folder: Path) -> Repository | None:
    """A pin's tree, where it is laid out and stands on the base that the pin names; else None."""
    if not (folder / ".git").is_dir():
        return None
    repository = Repository(folder)
    made_for = repository.message(repository.base)
    return repository if made_for == _base_message(pin).encode() else None


def _lay(checkout: Path, pin: Pin, folder: Path, report: Report) -> Repository:
    archive = fetch_sdist(pin, checkout / SDIST_CACHE, report)
    old = _aside(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: a git whose parent was killed may still be writing to the last one.
    partial = Path(tempfile.mkdtemp(prefix=_partial_prefix(folder), dir=folder.parent))
    partial.chmod(0o755)
    try:
        unpack_sdist(pin, archive, partial, report)
        report("pin: hashing the tree")
        found = hash_folder(partial)
        if found != pin.tree_sha256:
            raise BadInput(
                f"the tree in {archive.name} is not the one that {pin.path.name} names: "
                f"expected {pin.tree_sha256}, found {found}",
                where=pin.path,
                hint="nothing was kept; `python -m build_tools pin describe ARCHIVE` prints a pin",
            )
        report(f"tree: making {folder.name} a repository")
        repository = Repository.create(partial, _base_message(pin))
        _require_whole(repository, partial)
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return Repository(folder)


def _require_whole(repository: Repository, folder: Path) -> None:
    """git must have taken in every file, whatever ignore rules the sources carry."""
    edited = edited_files(repository)
    tracked = len(repository.files("HEAD"))
    found = sum(len(files) for root, _, files in os.walk(folder) if ".git" not in Path(root).parts)
    if edited or tracked != found:
        raise LlamaproofError(
            f"git took in {tracked} of {found} files; not as they are: {', '.join(edited)}",
            where=folder,
        )


def _require_no_work(repository: Repository) -> None:
    require_unedited(repository)
    foreign = repository.foreign_commits()
    if foreign:
        raise BadInput(
            f"the tree holds commits that no patch holds: {', '.join(foreign)}",
            where=repository.path,
            hint="keep them elsewhere, then delete the folder: the next run makes it again",
        )


def _aside(folder: Path) -> Path:
    """The name of a tree about to go."""
    return folder.with_name(f".{folder.name}.old")


def _partial_prefix(folder: Path) -> str:
    """How the names of a tree in the making start."""
    return f".{folder.name}.partial-"


def _remove_remains(folder: Path) -> None:
    """Clear what a run that was killed left; a tree it had only renamed gets its name back."""
    old = _aside(folder)
    if old.exists() and not folder.exists():
        old.rename(folder)
    for remains in (old, *folder.parent.glob(f"{_partial_prefix(folder)}*")):
        shutil.rmtree(remains, ignore_errors=True)


def _base_message(pin: Pin) -> str:
    return f"{pin.name}\n\nsdist sha256 {pin.sdist_sha256}\ntree sha256 {pin.tree_sha256}\n"
