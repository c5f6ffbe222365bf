"""From the wheel that the source's backend made to the wheel of ours."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from build_tools.progress import show
from build_tools.wheel.contents import WheelContents
from build_tools.wheel.environment import wheel_environment
from build_tools.wheel.steps import STEPS
from build_tools.wheel.unpacked import pack, unpack


def complete_wheel(made: Path, contents: WheelContents, dist: Path) -> Path:
    """Unpack, take each step, pack, and put the wheel into `dist` whole.

    Args:
        made: the backend's wheel.
        contents: what it was made of.
        dist: the folder for the wheel; made if it is not there.

    Returns:
        The wheel. An older one of the same name is replaced.
    """
    with tempfile.TemporaryDirectory(prefix="llamaproof-wheel-") as scratch:
        show("Completing wheel...")
        unpacked = unpack(made, Path(scratch) / "unpacked")
        for step in STEPS:
            step(unpacked, contents)
        packed = pack(unpacked, Path(scratch) / "packed", wheel_environment(os.environ))
        return _put_whole(packed, dist)


def _put_whole(packed: Path, dist: Path) -> Path:
    dist.mkdir(parents=True, exist_ok=True)
    partial = dist / f".{packed.name}.partial"
    try:
        shutil.copyfile(packed, partial)
        partial.chmod(0o644)
        return partial.replace(dist / packed.name)
    finally:
        partial.unlink(missing_ok=True)
