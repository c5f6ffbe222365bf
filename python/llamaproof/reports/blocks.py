"""A report as blocks: what it says, however it is shown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

# What a text says of what it is about; the printer and the pages each have a look for it.
Tone = Literal["", "strong", "dim", "good", "mixed", "open", "bad", "worst"]


@dataclass(frozen=True)
class Toned:
    """A text with a tone of its own."""

    text: str
    tone: Tone

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading; level 1 is the page's title."""

    kind: ClassVar[str] = "heading"
    text: str
    level: int = 2


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """A paragraph of plain text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        head: the names of the columns; empty for a table without a head.
        title: a line above it.
        figures: the names of the columns that hold numbers, which stand to the right.
        tones: of whole rows, where a cell has none of its own; empty for none.
    """

    kind: ClassVar[str] = "table"
    head: Sequence[str]
    rows: Sequence[Sequence[str | Toned]]
    title: str = ""
    figures: Collection[str] = ()
    tones: Sequence[Tone] = ()


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An SVG picture; `name` is its file's name beside a Markdown page, without suffix."""

    kind: ClassVar[str] = "picture"
    name: str
    caption: str
    svg: str


Block = Heading | Paragraph | Table | Picture


def pictures(blocks: Iterable[Block]) -> Iterator[Picture]:
    """The pictures, in order."""
    return (block for block in blocks if isinstance(block, Picture))


def as_section(title: str, blocks: Iterable[Block]) -> Iterator[Block]:
    """A page as a section of another: under a title, without its own, its headings one lower."""
    yield Heading(text=title)
    for block in blocks:
        if not isinstance(block, Heading):
            yield block
        elif block.level > 1:
            yield replace(block, level=block.level + 1)
