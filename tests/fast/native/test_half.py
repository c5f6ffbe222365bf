"""All native libraries convert f16 and bf16 alike, with and without the F16C instructions."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof.process import run

HERE = Path(__file__).parent
NATIVE = HERE.parents[2] / "native"
INCLUDES = (f"-I{NATIVE}", f"-I{NATIVE / 'emulator' / 'src'}")
INSTRUCTIONS = {"portable": "-mno-f16c", "f16c": "-march=x86-64-v3"}


def _digest(folder: Path, name: str) -> str:
    program = folder / name
    flags = ("-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", INSTRUCTIONS[name])
    run(["g++", *flags, *INCLUDES, HERE / "half_test.cpp", "-o", program])
    return run([program]).output.strip()


def test_the_portable_conversions_and_those_of_the_processor_agree(tmp_path: Path) -> None:
    if "f16c" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no F16C")
    digests = {_digest(tmp_path, name) for name in INSTRUCTIONS}
    assert len(digests) == 1
    assert len(digests.pop()) == 16
