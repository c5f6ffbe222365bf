"""The order file of a series: one patch's name a line, comments among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from build_tools.series.patch import NAME_PATTERN

ORDER_NAME = "series"


@dataclass(frozen=True, kw_only=True)
class OrderFile:
    """The order file: each patch's name with the comment lines above it, then a last comment."""

    entries: tuple[tuple[tuple[str, ...], str], ...]
    tail: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for _, name in self.entries)

    def text(self) -> str:
        lines = [line for comments, name in self.entries for line in (*comments, name)]
        return "".join(f"{line}\n" for line in (*lines, *self.tail))

    def reordered(self, names: Sequence[str]) -> OrderFile:
        """The same comments over another list of names."""
        comments = {name: above for above, name in self.entries}
        return replace(self, entries=tuple((comments.get(name, ()), name) for name in names))


def read_order(folder: Path) -> OrderFile:
    """Read the order file: one name a line, `#` starts a comment line."""
    path = folder / ORDER_NAME
    entries: list[tuple[tuple[str, ...], str]] = []
    comments: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        if not line.strip() or line.startswith("#"):
            comments.append(line)
        else:
            entries.append((tuple(comments), line.strip()))
            comments = []
    return OrderFile(entries=tuple(entries), tail=tuple(comments))


def disagreements(folder: Path, order: OrderFile) -> tuple[str, ...]:
    """Each way in which order file and folder do not belong together, in words."""
    present = {path.name for path in folder.glob("*.patch")} if folder.is_dir() else set()
    listed = order.names
    odd = [name for name in listed if not NAME_PATTERN.fullmatch(name)]
    return (
        *(f"{name} is no name for a patch (0001-what-it-does.patch)" for name in odd),
        *(f"{name} is listed twice" for name in sorted({n for n in listed if listed.count(n) > 1})),
        *(f"{name} is listed but not there" for name in listed if name not in present),
        *(f"{name} is there but not listed" for name in sorted(present - set(listed))),
    )
