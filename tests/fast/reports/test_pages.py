"""A page says what its blocks say, as HTML that needs nothing else and as Markdown."""

from __future__ import annotations

import subprocess
import sys

from llamaproof.reports.blocks import (
    Block,
    Heading,
    Paragraph,
    Picture,
    Table,
    Toned,
    as_section,
)
from llamaproof.reports.pages import to_html, to_markdown

BLOCKS: list[Block] = [
    Heading(text="a <b>", level=1),
    Paragraph(text="1 | 2 * 3"),
    Table(
        title="costs",
        head=("where", "ms"),
        rows=[("128 cells of a|b", "1,234"), (Toned("36 more", "bad"), Toned("5", "good"))],
        figures=("ms",),
        tones=("worst", ""),
    ),
    Table(head=(), rows=[("key", "value")]),
    Picture(name="cost", caption="cost by length", svg="<svg></svg>"),
]


def test_text_is_escaped_in_both_forms() -> None:
    html, markdown = to_html(BLOCKS), to_markdown(BLOCKS)
    assert "<title>a &lt;b&gt;</title>" in html and "<b>" not in html
    assert markdown.startswith("# a \\<b>\n\n1 \\| 2 \\* 3\n\n")
    assert "a\\|b" in markdown


def test_only_the_columns_that_hold_figures_are_to_the_right() -> None:
    html = to_html(BLOCKS)
    assert '<tr class="worst"><td>128 cells of a|b</td><td class="figure">1,234</td></tr>' in html
    assert '<td class="bad">36 more</td><td class="good figure">5</td>' in html
    assert '<th>where</th><th class="figure">ms</th>' in html


def test_markdown_tables_are_whole() -> None:
    assert to_markdown(BLOCKS[2:3]).splitlines() == [
        "**costs**",
        "",
        "| where | ms |",
        "| --- | ---: |",
        "| 128 cells of a\\|b | 1,234 |",
        "| 36 more | 5 |",
    ]
    assert to_markdown(BLOCKS[3:4]).splitlines() == ["|  |  |", "| --- | --- |", "| key | value |"]


def test_pictures_are_inlined_or_linked() -> None:
    assert "<svg></svg>" in to_html(BLOCKS)
    assert "![cost by length](cost.svg)" in to_markdown(BLOCKS)


def test_a_page_becomes_a_section_under_a_title_of_its_own() -> None:
    page: list[Block] = [
        Heading(text="page", level=1),
        Heading(text="part"),
        Paragraph(text="words"),
    ]
    assert list(as_section("section", page)) == [
        Heading(text="section"),
        Heading(text="part", level=3),
        Paragraph(text="words"),
    ]


def test_commands_are_imported_without_jinja2_and_matplotlib() -> None:
    code = (
        "import importlib, sys; sys.modules.update(jinja2=None, matplotlib=None)\n"
        "from llamaproof.cli import COMMANDS\n"
        "for command in COMMANDS: importlib.import_module(command)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
