"""The JSON that the native libraries write is what a JSON parser reads."""

from __future__ import annotations

import json
from pathlib import Path

from llamaproof.process import run

HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "native" / "emulator" / "src"


def test_brackets_commas_numbers_and_every_byte_of_a_text(tmp_path: Path) -> None:
    program = tmp_path / "json_test"
    flags = ("-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{SOURCE}")
    run(["g++", *flags, HERE / "json_test.cpp", SOURCE / "json.cpp", "-o", program])
    assert json.loads(run([program]).output) == {
        "empty": [],
        "nothing": {},
        "list": [1 << 63, -5, {}, "x"],
        "seconds": 0.25,
        "text": 'say "\\"\n\x01 and \xe9',
        "signed": -1,
        "unsigned": 7,
    }
