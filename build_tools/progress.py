"""How the build tools say what they are doing."""

from __future__ import annotations

import sys
from collections.abc import Callable

# Called with one line, without its end.
Report = Callable[[str], None]

_TELLING_OF_PIP = ("Collecting", "Downloading", "Installing", "Successfully", "ERROR")


def show(line: str) -> None:
    """Print a line at once, so that whoever watches a pipe sees it too."""
    print(line, flush=True)


def say(line: str) -> None:
    """Print a line to standard error, where standard output is the recipe's own."""
    print(line, file=sys.stderr, flush=True)


def of_pip(report: Report) -> Report:
    """Say of pip's output what tells a reader how far it is."""

    def line_of_pip(line: str) -> None:
        if line.lstrip().startswith(_TELLING_OF_PIP):
            report(f"  {line.strip()[:120]}")

    return line_of_pip
