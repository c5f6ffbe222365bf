"""What the build backend prints, as it is shown."""

from __future__ import annotations

import re
from collections.abc import Callable

from build_tools.wheel.ninja import Steps

# Of a configuration, what a reader of a log looks for.
_TELLING = ("-- CUDA", "-- Using CUDA", "CMake Error", "-- Found CUDAToolkit", "-- The ")
# What `cmake --build` says before ninja starts.
_OF_NO_USE = ("Change Dir: ", "Run Build Command(s): ")
_PHASE = re.compile(r"^\*\*\* (.*)$")


class BackendOutput:
    """Shows ninja's steps and whatever the compilers say; of CMake's words those that tell."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._shown = Steps(write)
        self._write = write
        self._configuring = False
        self._erring = False

    @property
    def steps(self) -> int:
        """How many build steps have run."""
        return self._shown.done

    def __call__(self, line: str) -> None:
        phase = _PHASE.match(line)
        if phase is not None:
            self._configuring = phase.group(1).startswith("Configuring")
            if not self._configuring and not phase.group(1).startswith("scikit-build-core"):
                self._write(f"{phase.group(1)}\n")
            return
        if not self._configuring:
            if line and not line.startswith(_OF_NO_USE):
                self._shown(line)
            return
        self._erring = self._erring or line.startswith("CMake Error")
        if self._erring or line.startswith(_TELLING):
            self._write(f"  {line}\n")
