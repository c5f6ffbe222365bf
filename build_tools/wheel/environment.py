"""The programs and variables that a compiler is started with."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from llamaproof.errors import LlamaproofError

# Variables that would change what a compiler emits behind our back.
_FOREIGN_FLAGS = (
    "CFLAGS",
    "CXXFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "CUDAFLAGS",
    "CUDAARCHS",
    "NVCC_PREPEND_FLAGS",
    "NVCC_APPEND_FLAGS",
    "CMAKE_ARGS",
    "LD_LIBRARY_PATH",
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "LIBRARY_PATH",
)


def build_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would reach into the compilers."""
    return {name: value for name, value in env.items() if name not in _FOREIGN_FLAGS}


def tool(name: str) -> Path:
    """A program of the environment we run in, such as cmake; not whatever the machine has."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise LlamaproofError(
            f"{name} is not in the environment", where=path.parent, hint="run `just env`"
        )
    return path
