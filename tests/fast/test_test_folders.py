"""Claims: a test's folder says what it needs, and no test takes anything from another."""

from __future__ import annotations

import ast
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llamaproof.process import Completed, run
from tests.support.needs import CHECKOUT

TESTS = CHECKOUT / "tests"


def imported(source: str) -> Iterator[str]:
    """Every module that a source imports, and every name that may be one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield module
            yield from (f"{module}.{name.name}" for name in node.names)


def of_other_tests(source: str) -> list[str]:
    """What a source takes from the tests beside `tests.support`, where helpers are shared."""
    shared = ("tests", "tests.support")
    return [
        name
        for name in imported(source)
        if name.startswith((".", "tests"))
        and name not in shared
        and not name.startswith("tests.support.")
    ]


def test_nothing_is_imported_from_a_test() -> None:
    sources = sorted(TESTS.rglob("*.py"))
    assert len(sources) > 100
    found = {path.name: of_other_tests(path.read_text(encoding="utf-8")) for path in sources}
    assert {name: taken for name, taken in found.items() if taken} == {}


@pytest.mark.parametrize(
    "line",
    [
        "from tests.fast.bench.test_run import new_record",
        "from tests.fast.bench import test_run",
        "import tests.fast.bench.test_run as run",
        "from .test_run import new_record",
        "def helper():\n    from tests.installed.conftest import models",
    ],
)
def test_planted_an_import_from_a_test_is_seen(line: str) -> None:
    assert of_other_tests(f"{line}\n")


@pytest.mark.parametrize(
    "line",
    ["from tests.support import needs", "from tests.support.toolkit import nvcc", "import re"],
)
def test_helpers_and_libraries_may_be_imported(line: str) -> None:
    assert of_other_tests(f"{line}\n") == []


def collected(folder: Path, test: str) -> Completed:
    """A test in a folder of a `tests` of its own, run where there is no nvcc and no wheel."""
    tests = folder / "tests"
    path = tests / test
    path.parent.mkdir(parents=True)
    path.write_text("def test_it() -> None:\n    pass\n")
    shutil.copy(TESTS / "conftest.py", tests)
    (tests / "support").symlink_to(TESTS / "support")
    needed = ("CUDA_HOME", "LLAMAPROOF_STOCK_LIBS", "LLAMAPROOF_WHEEL_PYTHON")
    env = {name: value for name, value in os.environ.items() if name not in needed}
    env |= {"PATH": "", "PYTHONPATH": os.pathsep.join((str(CHECKOUT / "python"), str(CHECKOUT)))}
    options = ("-rs", "--import-mode=importlib", "-p", "no:cacheprovider", "--rootdir", folder)
    return run((sys.executable, "-m", "pytest", *options, tests), env=env, cwd=folder, check=False)


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("nvcc", "no nvcc: set CUDA_HOME"),
        ("stock", "LLAMAPROOF_STOCK_LIBS names no folder"),
        ("installed", "LLAMAPROOF_WHEEL_PYTHON is not set"),
    ],
)
def test_what_needs_something_and_lacks_it_is_skipped_with_the_reason(
    tmp_path: Path, folder: str, reason: str
) -> None:
    done = collected(tmp_path, f"{folder}/room/test_it.py")
    assert done.returncode == 0, done.output
    assert "1 skipped" in done.output
    assert reason in done.output


def test_what_needs_nothing_runs(tmp_path: Path) -> None:
    assert "1 passed" in collected(tmp_path, "fast/room/test_it.py").output


def test_planted_a_test_in_a_folder_that_says_no_need_is_refused(tmp_path: Path) -> None:
    done = collected(tmp_path, "elsewhere/test_it.py")
    assert done.returncode != 0
    assert (
        "belongs to a folder that says what it needs: fast, browser, clients, nvcc" in done.output
    )
