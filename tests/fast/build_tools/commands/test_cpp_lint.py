"""The C++ is held to its layout and its functions to their size; each planted defect is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from build_tools.cli import main
from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED
from tests.support.needs import CHECKOUT

SOUND = """int sign(int x) {
    if (x < 0) return -1;
    return x > 0 ? 1 : 0;
}
"""

NESTED = """int count(const int * x, int n, int m) {
    int found = 0;
    for (int i = 0; i < n; ++i) {
        for (int j = 0; j < m; ++j) {
            if (x[i] > j) {
                if (x[j] > i && x[i] != x[j]) {
                    while (found < i) {
                        if (found != j) ++found;
                    }
                }
            }
        }
    }
    return found;
}
"""

LONG = "void wait(volatile int * x) {\n" + "    *x = 1;\n" * 60 + "}\n"


def checkout_of(folder: Path, source: str) -> Path:
    """A checkout of one source, with our rules and the way it is compiled."""
    for rules in (".clang-format", ".clang-tidy"):
        shutil.copy(CHECKOUT / rules, folder)
    unit = folder / "native" / "part" / "unit.cpp"
    unit.parent.mkdir(parents=True)
    unit.write_text(source, encoding="utf-8")
    database = folder / "build" / "native" / "compile_commands.json"
    database.parent.mkdir(parents=True)
    command = f"c++ -std=c++17 -c {unit}"
    entry = {"directory": str(folder), "command": command, "file": str(unit)}
    database.write_text(json.dumps([entry]), encoding="utf-8")
    return folder


def test_a_short_flat_function_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cpp-lint"], checkout_of(tmp_path, SOUND)) == HOLDS
    assert "1 files are laid out and 1 compiled ones tidy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (NESTED, "'count' has cognitive complexity of"),
        (LONG, "'wait' exceeds recommended size"),
        (SOUND.replace("    if", "  if"), "code should be clang-formatted"),
        (SOUND.replace("return -1;", "return -one;"), "use of undeclared identifier 'one'"),
    ],
    ids=["nested", "long", "misformatted", "not compiled"],
)
def test_a_planted_defect_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, words: str
) -> None:
    assert main(["cpp-lint"], checkout_of(tmp_path, source)) == DEFECT
    assert words in capsys.readouterr().out


def test_without_a_compile_database_nothing_is_decided(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(checkout_of(tmp_path, SOUND) / "build")
    assert main(["cpp-lint"], tmp_path) == NOT_CHECKED
    assert "it is not known how native/ is compiled" in capsys.readouterr().err
