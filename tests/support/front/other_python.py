"""A Python that lacks something, played by the one that runs the tests."""

from __future__ import annotations

import sys
from pathlib import Path

# What Debian and Ubuntu keep in python3-venv. To make an environment without it takes less time.
IN_PYTHON3_VENV = "ensurepip"

_PLAYED = """
import runpy, sys
for name in {missing!r}:
    sys.modules[name] = None
sys.version_info = {version!r} or sys.version_info
sys.argv = {argv!r}
runpy.run_path({script!r}, run_name="__main__")
"""


def with_other_python(
    script: Path,
    *arguments: str,
    missing: tuple[str, ...] = (IN_PYTHON3_VENV,),
    version: tuple[int, ...] = (),
) -> tuple[str, ...]:
    """The command that runs a script with a Python that lacks modules, or is of a version."""
    argv = [str(script), *arguments]
    played = _PLAYED.format(missing=missing, version=version, argv=argv, script=str(script))
    return (sys.executable, "-c", played)
