"""The lock of a series: its order, the hash of each patch, and the tree that must come out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from llamaproof.errors import BadInput

LOCK_NAME = "series.lock"

_SCHEMA = 1


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
        return json.dumps({"schema": _SCHEMA} | asdict(self), indent=2) + "\n"


def read_lock(folder: Path) -> SeriesLock | None:
    """Read a series' lock; None when it has none.

    Raises:
        BadInput: the file is no lock.
    """
    path = folder / LOCK_NAME
    if not path.is_file():
        return None
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts.pop("schema") != _SCHEMA:
            raise ValueError(f"its schema is not {_SCHEMA}")
        patches = tuple(LockedPatch(**patch) for patch in facts.pop("patches"))
        lock = SeriesLock(patches=patches, **facts)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(
            f"{LOCK_NAME} is no lock: {error}", where=path, hint="rewrite it with `series lock`"
        ) from error
    return lock
