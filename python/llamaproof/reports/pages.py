"""A report's blocks as a page: HTML that needs nothing else, or Markdown."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llamaproof.reports.blocks import Block, Heading, Joined, Tone, Toned, Verbatim, Words

if TYPE_CHECKING:
    from jinja2 import Environment


def to_html(blocks: Sequence[Block]) -> str:
    """One page, its title that of the first heading."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "")
    return _templates().get_template("page.html.j2").render(title=title, blocks=blocks)


def to_markdown(blocks: Sequence[Block]) -> str:
    """The same page; each picture is linked as NAME.svg."""
    return _templates().get_template("page.md.j2").render(blocks=blocks)


@functools.cache
def _templates() -> Environment:
    # Imported where it is needed: what prints or measures does without it.
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("llamaproof.reports"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(is_verbatim=_is_verbatim, parts=_parts, plain=_plain, tone=_tone)
    return environment


def _parts(words: Words) -> Sequence[Words]:
    return words.parts if isinstance(words, Joined) else (words,)


def _is_verbatim(words: Words) -> bool:
    return isinstance(words, Verbatim)


def _tone(cell: Words) -> Tone:
    return cell.tone if isinstance(cell, Toned) else ""


def _plain(text: Words) -> str:
    """Text that Markdown takes as text."""
    plain = str(text)
    for character in "\\|*_<`[":
        plain = plain.replace(character, "\\" + character)
    return plain.replace("\n", " ")
