"""What an index serves now, and whether that is still what was published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llamaproof.errors import BadInput
from llamaproof.files import sha256_of
from llamaproof.index import layout
from llamaproof.index.model import Publication, PublishedWheel, read_publication
from llamaproof.release.candidate import Candidate
from llamaproof.release.history import History, read_history
from llamaproof.release.refusal import Refusal


@dataclass(frozen=True, kw_only=True)
class Published:
    """The state of an index.

    Attributes:
        index: its folder; there may be none yet.
        publication: what it serves; None before the first release.
    """

    index: Path
    publication: Publication | None
    history: History

    @property
    def wheels(self) -> tuple[PublishedWheel, ...]:
        return self.publication.wheels if self.publication is not None else ()

    def wheel(self, name: str) -> PublishedWheel | None:
        """The wheel of this file name; None where it is not published."""
        return next((wheel for wheel in self.wheels if wheel.name == name), None)

    def file(self, name: str) -> Path:
        """Where a wheel lies, or what lies beside one."""
        return self.index / layout.file_path(name)


def read_published(index: Path) -> Published:
    """The state of an index; an empty one where there is none yet.

    Raises:
        BadInput: the folder holds something else, or is damaged.
    """
    if index.is_symlink() or (index.exists() and not index.is_dir()):
        raise BadInput(
            "an index is a folder, and this is none", where=index, hint="name another place"
        )
    path = index / layout.PUBLICATION
    if index.is_dir() and any(index.iterdir()) and not path.is_file():
        raise BadInput(
            f"this folder is not empty, and no index: it has no {layout.PUBLICATION}",
            where=index,
            hint="give a folder that is empty or not there, or put the file back from a copy",
        )
    publication = read_publication(path) if path.is_file() else None
    return Published(index=index, publication=publication, history=read_history(index))


def damaged_files(published: Published, tell: Callable[[str], None]) -> dict[str, Refusal]:
    """By its name, each file of an index that is not what was published.

    Args:
        tell: is told each wheel before it is read.
    """
    found: dict[str, Refusal] = {}
    for wheel in published.wheels:
        tell(wheel.name)
        files = [(wheel.name, wheel.sha256), *((one.name, one.sha256) for one in wheel.sidecars)]
        for name, sha256 in files:
            refusal = _damage(published.file(name), name, sha256)
            if refusal is not None:
                found[name] = refusal
    return found


def _damage(path: Path, name: str, sha256: str) -> Refusal | None:
    hint = "put it back from a copy of the index"
    if not path.is_file():
        what = "it was published, and is not in the index any more"
        return Refusal(code="published.gone", about=name, what=what, hint=hint)
    found = sha256_of(path)
    if found == sha256:
        return None
    what = f"it was published with the sha256 {sha256}, and now has {found}"
    return Refusal(code="published.changed", about=name, what=what, hint=hint)


def other_bytes(published: Published, given: Iterable[Candidate]) -> Iterator[Refusal]:
    """A refusal for each wheel whose name was published with other bytes, also if long ago."""
    for one in given:
        entry = published.history.entries.get(one.name)
        if entry is not None and entry.sha256 != one.sha256:
            yield Refusal(
                code="published.other-bytes",
                about=one.name,
                what=f"on {entry.published} this name was published with the sha256 "
                f"{entry.sha256}, and now has {one.sha256}",
                hint="published files never change: give the new wheel another version",
            )
