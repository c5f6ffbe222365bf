"""ninja's output as it is shown."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable

_NINJA_STEP = re.compile(r"^\[(\d+)/(\d+)\] (.*)$")
_OUTPUT = re.compile(r" -o (\S+)")


def show_ninja(line: str) -> None:
    """Show a line of a short ninja run."""
    if not line.startswith("ninja: "):
        print(line, flush=True)


class Steps:
    """Show ninja's steps with the time gone and a guess of the time left."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.done = 0
        self._write = write
        self._started = time.monotonic()

    def __call__(self, line: str) -> None:
        match = _NINJA_STEP.match(line)
        if match is None:
            self._write(f"{line}\n")
            sys.stdout.flush()
            return
        self.done, total = int(match.group(1)), int(match.group(2))
        gone = time.monotonic() - self._started
        left = gone / self.done * (total - self.done)
        what = _product(match.group(3))
        self._write(f"[{self.done}/{total} {_clock(gone)}, ~{_clock(left)} left] {what}\n")
        sys.stdout.flush()


def _product(step: str) -> str:
    """The name of what a step makes; it is told by its description or by its whole command."""
    made = _OUTPUT.search(step)
    return (made.group(1) if made is not None else step).rsplit("/", 1)[-1]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
