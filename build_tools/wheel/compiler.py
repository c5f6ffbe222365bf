"""The C++ compiler of the machine: CXX where that is set, else g++."""

from __future__ import annotations

import os
import re
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


def openmp_version() -> str:
    """The release of GCC that `openmp_runtime` is of, as exactly as it can be told: `12.2.0`.

    Raises:
        LlamaproofError: the folder of the library is not one of GCC's.
    """
    # Another compiler than GCC takes it from the newest GCC of the machine: /usr/lib/gcc/*/12/...
    answer = run((cxx(), "-print-file-name=libgomp.so.1")).output.strip()
    folder = re.search(r"/gcc/[^/]+/(\d[\d.]*)/", answer)
    if folder is None:
        raise LlamaproofError("libgomp.so.1 lies in no folder of GCC", where=answer)
    whole = run((cxx(), "-dumpfullversion"), check=False).output.strip()
    return whole if f"{whole}.".startswith(f"{folder.group(1)}.") else folder.group(1)


def cxx() -> str:
    """The program to call."""
    return wheel_environment(os.environ)["CXX"]
