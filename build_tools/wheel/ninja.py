"""ninja's output as it is shown."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable

_NINJA_STEP = re.compile(r"^\[(\d+)/(\d+)\] (.*)$")


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
        what = match.group(3).rsplit("/", 1)[-1]
        self._write(f"[{self.done}/{total} {_clock(gone)}, ~{_clock(left)} left] {what}\n")
        sys.stdout.flush()


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
