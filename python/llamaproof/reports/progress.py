"""How far a run is, and how long the rest may take."""

from __future__ import annotations

import sys
import time


class Progress:
    """A line on standard error now and then: what is done, and how long the rest may take."""

    _EVERY_S = 10.0

    def __init__(self, started: float, deadline: float | None) -> None:
        self._started = started
        self._deadline = deadline
        self._printed = started

    def __call__(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if not terminal and now - self._printed < self._EVERY_S and done < total:
            return
        self._printed = now
        left = (now - self._started) / done * (total - done) if done else None
        if self._deadline is not None:
            limit = max(0.0, self._deadline - now)
            left = limit if left is None else min(left, limit)
        rest = f", about {left:.0f} s left" if left is not None and done < total else ""
        line = f"{done}/{total} cells{rest}  {what}"
        end = "\n" if not terminal or done == total else ""
        print(("\r\x1b[K" if terminal else "") + line, end=end, file=sys.stderr, flush=True)
