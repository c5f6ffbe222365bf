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

# All that a wheel's build sees of the caller's variables: where programs are, which compilers were
# chosen, where scratch files go, and where a compiler cache keeps what it has.
_KEPT = ("PATH", "CC", "CXX", "CUDAHOSTCXX", "TMPDIR", "HOME", "PYTHONPATH")
_KEPT_PREFIXES = ("SCCACHE_", "ACTIONS_", "AWS_")

# 1 January 1980, the first day that a zip can tell.
_EPOCH = "315532800"

_DEFAULTS = {"CC": "gcc", "CXX": "g++"}

_FIXED = {
    "CMAKE_GENERATOR": "Ninja",
    "LC_ALL": "C.UTF-8",
    "NO_COLOR": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "SOURCE_DATE_EPOCH": _EPOCH,
    "TZ": "UTC",
}


def build_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would reach into the compilers."""
    return {name: value for name, value in env.items() if name not in _FOREIGN_FLAGS}


def wheel_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The variables of a wheel's build: the same for everybody, but for where things are."""
    kept = {
        name: value
        for name, value in env.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }
    return {**_DEFAULTS, **kept, **_FIXED}


def tool(name: str) -> Path:
    """A program of the environment we run in, such as cmake; not whatever the machine has."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise LlamaproofError(
            f"{name} is not in the environment", where=path.parent, hint="run `just env`"
        )
    return path
