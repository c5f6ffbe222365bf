"""Every name that was ever published, and what it stood for: what it grows by is all that changes.

It lies in the index (`history.json`). What is taken out of the index stays in it, so that no name
comes back with other bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof.errors import BadInput
from llamaproof.index import layout
from llamaproof.index.model import PublishedWheel
from llamaproof.reports import document
from llamaproof.reports.document import Schema

SCHEMA = Schema(name="llamaproof.history", version=1)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A name: the bytes it stands for, by their SHA-256, and when it was first published."""

    sha256: str
    published: str


@dataclass(frozen=True, kw_only=True)
class History:
    """What every name stands for."""

    entries: Mapping[str, Entry]

    def with_wheels(self, wheels: Iterable[PublishedWheel]) -> History:
        """The history, after these wheels were published; what stands in it stays."""
        added = {
            name: Entry(sha256=sha256, published=wheel.published)
            for wheel in wheels
            for name, sha256 in never_changing(wheel)
        }
        return History(entries={**added, **self.entries})

    def json(self) -> dict[str, Any]:
        """The versioned document."""
        return SCHEMA.document(
            files=[
                {"name": name, "sha256": entry.sha256, "published": entry.published}
                for name, entry in sorted(self.entries.items())
            ]
        )


def never_changing(wheel: PublishedWheel) -> Iterator[tuple[str, str]]:
    """The files of a wheel that clients pin by hash: the wheel, and its METADATA."""
    yield wheel.name, wheel.sha256
    metadata = wheel.sidecar("metadata")
    if metadata is not None:
        yield metadata.name, metadata.sha256


def read_history(index: Path) -> History:
    """The history of an index; an empty one where there is no index yet.

    Raises:
        BadInput: it cannot be read, or the index has none.
    """
    path = index / layout.HISTORY
    if path.is_file():
        return document.read(path, SCHEMA, _parsed, hint="put it back from a copy of the index")
    if (index / layout.PUBLICATION).exists():
        raise BadInput(
            "the index has no history: what its names stood for is not known",
            where=path,
            hint="put it back from a copy of the index",
        )
    return History(entries={})


def _parsed(members: Mapping[str, Any]) -> History:
    return History(
        entries={
            str(one["name"]): Entry(sha256=str(one["sha256"]), published=str(one["published"]))
            for one in members["files"]
        }
    )
