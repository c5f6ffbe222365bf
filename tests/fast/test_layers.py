"""Claims: no import goes against the layers of pyproject.toml, and one that did would be seen."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from llamaproof.process import Completed, run
from llamaproof.toml import read_toml

CHECKOUT = Path(__file__).resolve().parents[2]
CONTRACTS = read_toml(CHECKOUT / "pyproject.toml", "the project")["tool"]["importlinter"]

# For each contract a file and an import that it forbids there.
AGAINST = {
    "llamaproof stands without the build tools": (
        "python/llamaproof/files.py",
        "from build_tools.progress import show",
    ),
    "the rooms of llamaproof: one for each command, on what everybody uses": (
        "python/llamaproof/bench/gate.py",
        "from llamaproof.emulator.results import CellVerdict",
    ),
    "the build tools, from a pin to a wheel": (
        "build_tools/tree/repository.py",
        "from build_tools.series.patch import PatchFile",
    ),
}


def lint_imports(root: Path) -> Completed:
    """import-linter over the packages of a tree, with the contracts of its pyproject.toml."""
    program = Path(sys.executable).with_name("lint-imports")
    paths = os.pathsep.join((str(root / "python"), str(root)))
    env = {**os.environ, "PYTHONPATH": paths}
    return run((program, "--no-cache", "--no-logo"), cwd=root, env=env, check=False)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of both packages' Python, and of pyproject.toml."""
    root = tmp_path_factory.mktemp("layers")
    for package in ("python/llamaproof", "build_tools"):
        for source in (CHECKOUT / package).rglob("*.py"):
            target = root / source.relative_to(CHECKOUT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    shutil.copyfile(CHECKOUT / "pyproject.toml", root / "pyproject.toml")
    return root


def test_every_import_keeps_to_the_layers(tree: Path) -> None:
    done = lint_imports(tree)
    assert done.returncode == 0, done.output
    assert f"Contracts: {len(CONTRACTS['contracts'])} kept, 0 broken." in done.lines


@pytest.mark.parametrize("contract", [contract["name"] for contract in CONTRACTS["contracts"]])
def test_an_import_against_each_contract_is_seen(tree: Path, contract: str) -> None:
    name, line = AGAINST[contract]
    path = tree / name
    text = path.read_text()
    path.write_text(f"{text}\n{line}\n")
    try:
        done = lint_imports(tree)
    finally:
        path.write_text(text)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.lines
    assert any(line.split()[1] in said for said in done.lines), done.output


def test_a_module_that_no_layer_names_is_seen(tree: Path) -> None:
    path = tree / "build_tools" / "elsewhere.py"
    path.write_text('"""A module that has no place."""\n')
    try:
        done = lint_imports(tree)
    finally:
        path.unlink()
    assert done.returncode == 1
    assert "build_tools.elsewhere" in done.output
