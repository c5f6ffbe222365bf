"""How far a run is, and how long the rest may take: a bar on a terminal, lines elsewhere.

It is told on standard error, so that what is printed can be piped.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Protocol

_EVERY_S = 10.0


class Tell(Protocol):
    """What a run tells of its steps."""

    def __call__(self, done: int, doing: str = "", *, total: int | None = None) -> None:
        """Tell how far it is.

        Args:
            done: steps that are done.
            doing: what is being done now, in words.
            total: of all steps, where that was not known before.
        """


@contextlib.contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Tell]:
    """Show how far a run is, until the context is left.

    Args:
        what: the run, in words.
        total: of its steps; None where that is not known.
    """
    with _bar(what, total) if sys.stderr.isatty() else _lines(what, total) as tell:
        yield tell


@contextlib.contextmanager
def _bar(what: str, total: int | None) -> Iterator[Tell]:
    # Imported where it is needed: a machine that only measures does without.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    words = TextColumn("{task.description} {task.fields[doing]}", markup=False)
    columns = (words, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    bar = Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        # What is printed to a pipe stays out of it.
        redirect_stdout=sys.stdout.isatty(),
    )
    with bar:
        task = bar.add_task(what, total=total, doing="")

        def tell(done: int, doing: str = "", *, total: int | None = None) -> None:
            bar.update(task, completed=done, doing=doing, total=total)

        yield tell


@contextlib.contextmanager
def _lines(what: str, total: int | None) -> Iterator[Tell]:
    started = told = time.monotonic()
    of_all = total

    def tell(done: int, doing: str = "", *, total: int | None = None) -> None:
        nonlocal told, of_all
        of_all = of_all if total is None else total
        now = time.monotonic()
        if now - told < _EVERY_S and done != of_all:
            return
        told = now
        far = f"{done}" if of_all is None else f"{done}/{of_all}"
        left = (now - started) / done * (of_all - done) if of_all and done else 0.0
        rest = f", about {left:.0f} s left" if left else ""
        print(f"{what}: {far}{rest}  {doing}".rstrip(), file=sys.stderr, flush=True)

    yield tell
