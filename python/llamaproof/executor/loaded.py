"""What the library that executes kernels tells the process it is loaded in."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any


class Executor:
    """The library that a session names as its executor, in the process that runs the session."""

    def __init__(self, path: str | Path) -> None:
        self._library = ctypes.CDLL(str(path))
        self._library.llamaproof_executor_take_reports.restype = ctypes.c_char_p

    def take_reports(self) -> list[dict[str, Any]]:
        """What was reported since the last call: a document for each launch and stray read."""
        text: bytes = self._library.llamaproof_executor_take_reports()
        return [json.loads(line) for line in text.decode().splitlines()]
