"""The lock of a series: its order, the hash of each patch, and the tree that must come out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
