"""A page says what its blocks say, as HTML that needs nothing else and as Markdown."""

from __future__ import annotations

import subprocess
import sys

from llamaproof.reports.blocks import (
    Block,
    Command,
    Definitions,
    Heading,
    Joined,
    Linked,
    Paragraph,
    Picture,
    Table,
    Toned,
    Verbatim,
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
    assert '<th scope="col">where</th><th scope="col" class="figure">ms</th>' in html


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


def test_links_and_what_is_to_be_copied_are_marked_and_escaped() -> None:
    words = Joined(("take ", Linked("<it>", 'a"b.html'), " of ", Verbatim("<0>")))
    html, markdown = to_html([Paragraph(text=words)]), to_markdown([Paragraph(text=words)])
    assert '<p>take <a href="a&#34;b.html">&lt;it&gt;</a> of <code>&lt;0&gt;</code></p>' in html
    assert markdown == 'take [\\<it>](a"b.html) of \\<0>\n'


def test_names_and_what_is_said_of_them_fit_a_narrow_screen() -> None:
    blocks = [Definitions(rows=(("size", "1 <MB>"), ("at", Linked("x", "x.whl"))))]
    assert "<dt>size</dt>\n<dd>1 &lt;MB&gt;</dd>\n<dt>at</dt>" in to_html(blocks)
    assert to_markdown(blocks) == "- size: 1 \\<MB>\n- at: [x](x.whl)\n"


def test_a_command_stands_as_it_is_typed() -> None:
    blocks = [Command(lines=("pip install 'a<b'", "  next"))]
    assert "<pre><code>pip install &#39;a&lt;b&#39;</code>\n<code>  next</code></pre>" in to_html(
        blocks
    )
    assert to_markdown(blocks) == "    pip install 'a<b'\n      next\n"


def test_a_heading_can_be_linked_to() -> None:
    assert '<h2 id="it">It</h2>' in to_html([Heading(text="It", anchor="it")])


def test_a_page_may_fetch_and_run_nothing() -> None:
    html = to_html(BLOCKS)
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'\"" in html
    assert "<script" not in html


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
