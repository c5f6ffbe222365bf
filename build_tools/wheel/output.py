"""What the build backend prints, as it is shown."""

from __future__ import annotations

import re
from collections.abc import Callable

from build_tools.wheel.ninja import Steps

# Of a configuration, what a reader of a log looks for.
_TELLING = ("-- CUDA", "-- Using CUDA", "CMake Error", "-- Found CUDAToolkit", "-- The ")
# What `cmake --build` says before ninja starts.
_OF_NO_USE = ("Change Dir: ", "Run Build Command(s): ")
_OF_CMAKE = ("Configuring", "Installing")
_OF_BACKEND = ("scikit-build-core", "Configuring", "Created")
_PHASE = re.compile(r"^\*\*\* (.*)$")


class BackendOutput:
    """Shows ninja's steps and whatever the compilers say; of CMake's words those that tell."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._shown = Steps(write)
        self._write = write
        self._of_cmake = False
        self._erring = False

    @property
    def steps(self) -> int:
        """How many build steps have run."""
        return self._shown.done

    def __call__(self, line: str) -> None:
        phase = _PHASE.match(line)
        if phase is not None:
            self._of_cmake = phase.group(1).startswith(_OF_CMAKE)
            if not phase.group(1).startswith(_OF_BACKEND):
                self._write(f"{phase.group(1)}\n")
        elif self._of_cmake:
            self._configured(line)
        elif line and not line.startswith(_OF_NO_USE):
            self._shown(line)

    def _configured(self, line: str) -> None:
        """A line of configuring or installing; after an error, all that follows."""
        self._erring = self._erring or line.startswith("CMake Error")
        if self._erring or line.startswith(_TELLING):
            self._write(f"  {line}\n")
