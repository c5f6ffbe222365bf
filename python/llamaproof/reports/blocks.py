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


@dataclass(frozen=True)
class Linked:
    """A text that leads somewhere.

    Attributes:
        href: relative to the page, or an anchor of it; as a URL is written, with its escapes.
    """

    text: str
    href: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Verbatim:
    """A text to be copied letter by letter, such as a hash or a file's name."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Joined:
    """Texts of several kinds, one after the other; spaces between them are theirs to give."""

    parts: tuple[str | Toned | Linked | Verbatim, ...]

    def __str__(self) -> str:
        return "".join(map(str, self.parts))


Words = str | Toned | Linked | Verbatim | Joined


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading; level 1 is the page's title.

    Attributes:
        anchor: by which a link finds it; empty for none.
    """

    kind: ClassVar[str] = "heading"
    text: str
    level: int = 2
    anchor: str = ""


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """A paragraph."""

    kind: ClassVar[str] = "paragraph"
    text: Words


@dataclass(frozen=True, kw_only=True)
class Command:
    """Lines to be typed into a terminal or a file as they stand."""

    kind: ClassVar[str] = "command"
    lines: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """Names and what is to be said of each: a table of two columns that fits any screen."""

    kind: ClassVar[str] = "definitions"
    rows: Sequence[tuple[str, Words]]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        head: the names of the columns; empty for a table without a head.
        title: a line above it, which says what it is a table of.
        figures: the names of the columns that hold numbers, which stand to the right.
        tones: of whole rows, where a cell has none of its own; empty for none.
    """

    kind: ClassVar[str] = "table"
    head: Sequence[str]
    rows: Sequence[Sequence[Words]]
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


Block = Heading | Paragraph | Command | Definitions | Table | Picture


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
