"""What is printed for people: tables on a terminal, whole lines where the output is none.

A pipe or a file gets each row of a table on one line, however long, so that `grep` finds a field,
a symbol or a path, and `awk -F '  +'` takes the columns apart.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from llamaproof.reports.blocks import Table, Tone, Toned, Words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

_STYLES: Mapping[Tone, str] = {
    "": "",
    "strong": "bold",
    "dim": "dim",
    "good": "green",
    "mixed": "yellow",
    "open": "bold yellow",
    "bad": "red",
    "worst": "bold red",
}
# Columns are aligned for reading. A longer text stands whole, and moves what follows it.
_WIDEST_ALIGNED = 48
_BETWEEN_COLUMNS = "  "
# A list of every constant would fill a terminal with one cell: there it is cut.
_LONGEST_IN_A_FRAME = 240


class Printer:
    """Prints lines, headings and tables to one output.

    Only a terminal needs rich: the benchmark runs on machines that have numpy alone.
    """

    def __init__(
        self,
        file: TextIO | None = None,
        *,
        is_terminal: bool | None = None,
        width: int | None = None,
    ) -> None:
        """Print to a file, by default standard output.

        Args:
            is_terminal: whether to print as on a terminal; by default whether `file` is one.
            width: of the terminal in columns; by default its own.
        """
        self._file = sys.stdout if file is None else file
        self._console: Console | None = None
        if self._file.isatty() if is_terminal is None else is_terminal:
            from rich.console import Console

            self._console = Console(file=self._file, force_terminal=True, width=width)

    def line(self, *parts: str | Toned, tone: Tone = "") -> None:
        """Print one line, which is not broken.

        Args:
            tone: of the parts that have none of their own.
        """
        if self._console is None:
            print("".join(map(str, parts)), file=self._file, flush=True)
            return
        self._console.print(_styled(parts, tone), soft_wrap=True)

    def heading(self, text: str) -> None:
        """Print what the following lines are about."""
        if self._console is None:
            print(f"\n== {text}", file=self._file, flush=True)
        else:
            self._console.rule(text, align="left")

    def table(self, table: Table) -> None:
        """Print a table: framed on a terminal, else a line for its title, its head and each row."""
        if self._console is not None:
            self._console.print(_framed(table))
            return
        for line in plain_lines(table):
            print(line, file=self._file, flush=True)


def plain_lines(table: Table) -> Iterator[str]:
    """A table as text: the title, the head, then one line for each row.

    At least two spaces are between columns, and never within one; an empty cell is `-`.
    """
    if table.title:
        yield table.title
    lines = [[_plain(cell) for cell in row] for row in (*_heads(table), *table.rows)]
    columns = list(zip(*lines, strict=True))
    widths = [
        max((len(t) for t in column if len(t) <= _WIDEST_ALIGNED), default=0) for column in columns
    ]
    to_the_right = [name in table.figures for name in table.head] or [False] * len(columns)
    for line in lines:
        aligned = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, to_the_right, strict=True)
        )
        yield _BETWEEN_COLUMNS.join(aligned).rstrip()


def _heads(table: Table) -> Iterator[Sequence[str]]:
    if table.head:
        yield table.head


def _plain(cell: Words) -> str:
    return " ".join(str(cell).split()) or "-"


def _framed(table: Table) -> RichTable:
    """The table as rich draws it; a text too long for its column goes on below.

    Where that happens rows are apart by lines.
    """
    from rich.table import Table as RichTable

    framed = RichTable(
        title=_styled([table.title], "") if table.title else None,
        title_justify="left",
        show_header=bool(table.head),
        show_lines=any(len(str(text)) > _WIDEST_ALIGNED for row in table.rows for text in row),
    )
    for name in table.head or [""] * len(next(iter(table.rows), ())):
        is_figure = name in table.figures
        framed.add_column(
            _styled([name], ""),
            justify="right" if is_figure else "left",
            no_wrap=is_figure,
            overflow="fold",
        )
    tones = table.tones or [""] * len(table.rows)
    for row, tone in zip(table.rows, tones, strict=True):
        framed.add_row(*(_cut(_styled([cell], tone)) for cell in row))
    return framed


def _cut(text: Text) -> Text:
    text.truncate(_LONGEST_IN_A_FRAME, overflow="ellipsis")
    return text


def _styled(parts: Sequence[Words], tone: Tone) -> Text:
    from rich.text import Text

    return Text.assemble(
        *((str(part), _STYLES[part.tone if isinstance(part, Toned) else tone]) for part in parts)
    )
