"""The C++ compiler of the machine: CXX where that is set, else g++."""

from __future__ import annotations

import os
from pathlib import Path

from build_tools.wheel.environment import wheel_environment
from llamaproof.errors import LlamaproofError
from llamaproof.process import run


def openmp_runtime() -> Path:
    """Its libgomp.

    Raises:
        LlamaproofError: it has none.
    """
    answer = run((cxx(), "-print-file-name=libgomp.so.1")).output.strip()
    path = Path(answer)
    if not path.is_absolute() or not path.exists():
        raise LlamaproofError("the C++ compiler has no libgomp.so.1", where=answer)
    return path


def cxx() -> str:
    """The program to call."""
    return wheel_environment(os.environ)["CXX"]
