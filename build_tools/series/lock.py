"""The lock of a series: its order, the hash of each patch, and the tree that must come out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from build_tools.pin.definition import Pin
from build_tools.series.patch import PatchFile
from build_tools.tree.repository import Repository
from llamaproof.reports import document
from llamaproof.reports.document import Schema

LOCK_NAME = "series.lock"

SCHEMA = Schema(name="llamaproof.series-lock", version=2)


@dataclass(frozen=True, kw_only=True)
class LockedPatch:
    """A patch's name and the sha256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class SeriesLock:
    """What a series was when it was last known to be good.

    Attributes:
        pin: the pin it is for.
        base_tree: git's id of the unpatched tree.
        patches: in their order.
        tree: git's id of the patched tree.
        tree_sha256: hash of the patched tree, as `tree_hash` defines it.
    """

    pin: str
    base_tree: str
    patches: tuple[LockedPatch, ...]
    tree: str
    tree_sha256: str

    def text(self) -> str:
        """As the file holds it."""
        return document.to_text(SCHEMA.document(**asdict(self)))


def locked_patches(patches: Iterable[PatchFile]) -> tuple[LockedPatch, ...]:
    """Patches as a lock names them."""
    return tuple(LockedPatch(name=patch.name, sha256=patch.sha256) for patch in patches)


def make_lock(
    repository: Repository, patches: Iterable[PatchFile], pin: Pin, commit: str
) -> SeriesLock:
    """The lock of a series whose last patch is `commit`."""
    return SeriesLock(
        pin=pin.name,
        base_tree=repository.tree_id(repository.base),
        patches=locked_patches(patches),
        tree=repository.tree_id(commit),
        tree_sha256=repository.hash_tree(commit),
    )


def read_lock(folder: Path) -> SeriesLock | None:
    """Read a series' lock; None when it has none.

    Raises:
        BadInput: the file is no lock, or one of another version.
    """
    path = folder / LOCK_NAME
    if not path.is_file():
        return None
    return document.read(path, SCHEMA, _lock_of, hint="rewrite it with `series lock`")


def _lock_of(members: dict[str, Any]) -> SeriesLock:
    patches = tuple(LockedPatch(**patch) for patch in members.pop("patches"))
    return SeriesLock(patches=patches, **members)
