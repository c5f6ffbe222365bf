"""Claims: a wheel is tried with the libraries of the CUDA that it asks for, one for the CPU
with none; each of these locks is there."""

import zipfile
from pathlib import Path

import pytest

from build_tools.commands.check import locks_for
from tests.support.needs import CHECKOUT


def wheel_that_requires(folder: Path, *lines: str) -> Path:
    path = folder / "toy-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        text = "".join(f"Requires-Dist: {line}\n" for line in lines)
        archive.writestr(
            "toy-1.dist-info/METADATA", f"Metadata-Version: 2.1\nName: toy\nVersion: 1\n{text}"
        )
    return path


@pytest.mark.parametrize(
    ("requires", "locks"),
    [
        (["numpy>=1.20"], ("wheel",)),
        (["nvidia-cuda-runtime-cu12<13,>=12.4"], ("wheel", "wheel-cuda12")),
        (["nvidia-cuda-runtime<14,>=13.0"], ("wheel", "wheel-cuda13")),
    ],
)
def test_the_locks_are_those_of_what_the_wheel_asks_for(
    tmp_path: Path, requires: list[str], locks: tuple[str, ...]
) -> None:
    assert locks_for(wheel_that_requires(tmp_path, *requires)) == locks
    for name in locks:
        assert (CHECKOUT / "requirements" / f"{name}.lock").is_file()
        assert (CHECKOUT / "requirements" / f"{name}.in").is_file()
