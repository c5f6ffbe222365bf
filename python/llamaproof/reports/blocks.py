"""A report as blocks, written as HTML or as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
       color: #1b1b1b; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; font-size: 13px; margin: .6rem 0; }
td, th { border: 1px solid #ddd; padding: .15rem .5rem; text-align: left; vertical-align: top; }
td.figure { text-align: right; font-variant-numeric: tabular-nums; }
svg { max-width: 100%; height: auto; display: block; margin: .6rem 0; }
.good { background: #e5f5e0; } .mixed, .open { background: #fff3cd; }
.bad { background: #fde0d2; } .worst { background: #f4c7c7; font-weight: 600; }
"""

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

    text: str
    level: int = 2


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """A paragraph of plain text."""

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

    head: Sequence[str]
    rows: Sequence[Sequence[str | Toned]]
    title: str = ""
    figures: Collection[str] = ()
    tones: Sequence[Tone] = ()


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An SVG picture; `name` is its file's name beside a Markdown page, without suffix."""

    name: str
    caption: str
    svg: str


Block = Heading | Paragraph | Table | Picture


def to_html(blocks: Sequence[Block]) -> str:
    """One page that needs nothing else."""
    title = next((b.text for b in blocks if isinstance(b, Heading)), "")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{fragment(blocks)}\n</body>\n</html>\n"
    )


def fragment(blocks: Iterable[Block]) -> str:
    """The blocks as part of a page that has `STYLE`."""
    return "\n".join(_html(block) for block in blocks)


def to_markdown(blocks: Sequence[Block]) -> str:
    """The same page as Markdown; pictures are linked as `NAME.svg`."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def pictures(blocks: Sequence[Block]) -> Iterator[Picture]:
    """The pictures, in order."""
    return (block for block in blocks if isinstance(block, Picture))


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, Picture):
        return f"<p>{escape(block.caption)}</p>\n{block.svg}"
    rows = []
    for index, row in enumerate(block.rows):
        tone = block.tones[index] if block.tones else ""
        opening = f'<tr class="{tone}">' if tone else "<tr>"
        names = block.head or [""] * len(row)
        cells = (_html_cell(c, n in block.figures) for c, n in zip(row, names, strict=True))
        rows.append(opening + "".join(cells) + "</tr>")
    head = "".join(f"<th>{escape(text)}</th>" for text in block.head)
    title = f"<h3>{escape(block.title)}</h3>\n" if block.title else ""
    return f"{title}<table>\n<tr>{head}</tr>\n" + "\n".join(rows) + "\n</table>"


def _html_cell(cell: str | Toned, is_figure: bool) -> str:
    tones = [cell.tone] if isinstance(cell, Toned) and cell.tone else []
    classes = " ".join([*tones, *(["figure"] if is_figure else [])])
    opening = f'<td class="{classes}">' if classes else "<td>"
    return f"{opening}{escape(str(cell))}</td>"


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_plain(block.text)}"
    if isinstance(block, Paragraph):
        return _plain(block.text)
    if isinstance(block, Picture):
        return f"{_plain(block.caption)}\n\n![{_plain(block.caption)}]({block.name}.svg)"
    ruler = ["---:" if name in block.figures else "---" for name in block.head]
    lines = [list(map(_plain, block.head)), ruler, *(map(_plain, row) for row in block.rows)]
    title = f"### {_plain(block.title)}\n\n" if block.title else ""
    return title + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _plain(text: str | Toned) -> str:
    """Text that Markdown takes as text."""
    plain = str(text)
    for character in "\\|*_<`[":
        plain = plain.replace(character, "\\" + character)
    return plain.replace("\n", " ")
