"""How the build tools say what they are doing."""

from __future__ import annotations

from collections.abc import Callable

# Called with one line, without its end.
Report = Callable[[str], None]


def show(line: str) -> None:
    """Print a line at once, so that whoever watches a pipe sees it too."""
    print(line, flush=True)
