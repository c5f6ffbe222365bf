"""A report as blocks, written as HTML or as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
       color: #1b1b1b; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; font-size: 13px; margin: .6rem 0; }
td, th { border: 1px solid #ddd; padding: .15rem .5rem; text-align: left; vertical-align: top; }
td.figure { text-align: right; font-variant-numeric: tabular-nums; }
svg { max-width: 100%; height: auto; display: block; margin: .6rem 0; }
.holds { background: #e5f5e0; } .fails { background: #f4c7c7; } .open { background: #fff3cd; }
"""


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
    """A table; `tones` colour whole rows: `holds`, `fails`, `open` or nothing."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    tones: Sequence[str] = ()


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
    head = "".join(f"<th>{escape(text)}</th>" for text in block.head)
    rows = []
    for index, row in enumerate(block.rows):
        tone = block.tones[index] if block.tones else ""
        opening = f'<tr class="{tone}">' if tone else "<tr>"
        rows.append(opening + "".join(map(_html_cell, row)) + "</tr>")
    return f"<table>\n<tr>{head}</tr>\n" + "\n".join(rows) + "\n</table>"


def _html_cell(text: str) -> str:
    opening = '<td class="figure">' if text[:1].isdigit() else "<td>"
    return f"{opening}{escape(text)}</td>"


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_plain(block.text)}"
    if isinstance(block, Paragraph):
        return _plain(block.text)
    if isinstance(block, Picture):
        return f"{_plain(block.caption)}\n\n![{_plain(block.caption)}]({block.name}.svg)"
    lines = [block.head, ["---"] * len(block.head), *block.rows]
    return "\n".join("| " + " | ".join(map(_plain, line)) + " |" for line in lines)


def _plain(text: str) -> str:
    """Text that Markdown takes as text."""
    for character in "\\|*_<`[":
        text = text.replace(character, "\\" + character)
    return text.replace("\n", " ")
