"""A terminal gets a framed table; any other output gets whole lines that can be cut."""

from __future__ import annotations

import builtins
import io
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest

from llamaproof.reports.blocks import Table, Toned
from llamaproof.reports.printer import Printer

LONG = "llama_context_params.rope_freq_scale" * 8
TABLE = Table(
    title="what differs",
    head=("field", "size", "why"),
    rows=[(LONG, "4", "a  [bold] word\nand another"), ("short", "12", Toned("", "bad"))],
    figures=("size",),
)


def piped(table: Table) -> list[str]:
    out = io.StringIO()
    Printer(out).table(table)
    return out.getvalue().splitlines()


def on_a_terminal(table: Table) -> str:
    out = io.StringIO()
    Printer(out, is_terminal=True, width=80).table(table)
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


def test_a_pipe_gets_one_line_for_each_row_with_every_text_whole() -> None:
    title, head, first, second = piped(TABLE)
    assert title == "what differs"
    assert head.split() == ["field", "size", "why"]
    assert LONG in first
    assert second.split() == ["short", "12", "-"]


def test_the_columns_of_a_pipe_can_be_cut_at_two_spaces() -> None:
    rows = [re.split(r" {2,}", line) for line in piped(TABLE)[1:]]
    assert rows == [
        ["field", "size", "why"],
        [LONG, "4", "a [bold] word and another"],
        ["short", "12", "-"],
    ]


def test_short_texts_of_a_pipe_are_aligned_and_figures_stand_to_the_right() -> None:
    table = Table(head=("a", "n"), rows=[("x", "1"), ("yyyy", "100")], figures=("n",))
    assert piped(table) == ["a       n", "x       1", "yyyy  100"]


def test_a_terminal_gets_a_frame_as_wide_as_it_is() -> None:
    lines = on_a_terminal(TABLE).splitlines()
    assert any(line.startswith("┏") for line in lines)
    assert all(len(line) <= 80 for line in lines)
    assert any("[bold] word" in line for line in lines)


def test_only_a_terminal_has_rows_apart_and_very_long_texts_cut() -> None:
    table = Table(head=("names",), rows=[(LONG * 4,), ("short",)])
    assert LONG * 4 in piped(table)[1]
    lines = on_a_terminal(table).splitlines()
    assert lines[-3].startswith("├") and len(lines) < 12
    assert any("…" in line for line in lines)


def test_lines_are_never_broken_and_brackets_are_text() -> None:
    out = io.StringIO()
    Printer(out).line("at ", Toned("[red]", "bad"), f" {LONG}")
    assert out.getvalue() == f"at [red] {LONG}\n"
    out = io.StringIO()
    Printer(out, is_terminal=True, width=80).line(f"[red] {LONG}")
    assert f"[red] {LONG}" in out.getvalue()


def test_a_table_without_a_head_or_rows_is_printed() -> None:
    assert piped(Table(head=(), rows=[("a", "b")])) == ["a  b"]
    assert piped(Table(head=("a", "b"), rows=[])) == ["a  b"]
    assert piped(Table(head=(), rows=[])) == []
    assert on_a_terminal(Table(head=(), rows=[("a", "b")])).count("a") == 1


def test_a_pipe_needs_no_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_rich(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> object:
        assert name.partition(".")[0] != "rich"
        return real(name, globals, locals, fromlist or (), level)

    monkeypatch.setattr(builtins, "__import__", without_rich)
    assert piped(TABLE)


def test_the_benchmark_is_imported_without_rich_jinja2_and_matplotlib() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['rich', 'jinja2', 'matplotlib', 'clang']));"
        "import llamaproof.bench.command"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
