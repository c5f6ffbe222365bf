"""`python -m build_tools cpp-lint`: the layout of all C++, and clang-tidy's verdict on native/.

The layout is `.clang-format`'s, the rules are `.clang-tidy`'s. How each file is compiled stands in
build/native/compile_commands.json, which `python -m build_tools native` writes.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from build_tools.progress import show
from build_tools.wheel.environment import tool
from llamaproof.errors import DEFECT, HOLDS, BadInput, LlamaproofError
from llamaproof.process import Completed, run

FOLDERS = ("native", "tests")
SUFFIXES = (".cpp", ".h")


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "cpp-lint", help="hold the C++ to its layout and native/ to clang-tidy's rules"
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Check all files; what is wrong is printed as the tools say it."""
    checkout: Path = args.checkout
    files = sources(checkout)
    database = checkout / "build" / "native"
    units = compiled_units(database, checkout / "native")
    wrong = [*misformatted(files), *untidy(units, database)]
    for line in wrong:
        show(line)
    if wrong:
        return DEFECT
    show(f"cpp-lint: {len(files)} files are laid out and {len(units)} compiled ones tidy")
    return HOLDS


def sources(checkout: Path) -> list[Path]:
    """Every C++ file of ours."""
    found = (path for folder in FOLDERS for path in (checkout / folder).rglob("*.*"))
    return sorted(path for path in found if path.suffix in SUFFIXES)


def compiled_units(database: Path, folder: Path) -> list[Path]:
    """The files of a compile database that lie in a folder, each once.

    Raises:
        BadInput: there is no database, or it knows none of them.
    """
    path = database / "compile_commands.json"
    if not path.is_file():
        raise BadInput("it is not known how native/ is compiled", where=path, hint="just native")
    named = {Path(entry["file"]) for entry in json.loads(path.read_text(encoding="utf-8"))}
    units = sorted(unit for unit in named if folder in unit.parents and unit.suffix == ".cpp")
    if not units:
        raise BadInput(f"nothing of {folder} is compiled", where=path, hint="just native")
    return units


def misformatted(files: Sequence[Path]) -> list[str]:
    """What clang-format would lay out in another way."""
    done = run((tool("clang-format"), "--dry-run", "--Werror", *files), check=False)
    return _said(done)


def untidy(units: Sequence[Path], database: Path) -> list[str]:
    """What clang-tidy has against the units and the headers they include."""
    clang_tidy = tool("clang-tidy")

    def judge(unit: Path) -> list[str]:
        return _said(run((clang_tidy, "--quiet", "-p", database, unit), check=False))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        judged = list(pool.map(judge, units))
    # A header is judged with every unit that includes it, and is told once.
    return list(dict.fromkeys(line for lines in judged for line in lines))


def _said(done: Completed) -> list[str]:
    """The words of a linter that objects; none where it does not."""
    if done.returncode == 0:
        return []
    if not any(" error: " in line for line in done.lines):
        raise LlamaproofError(
            f"{Path(done.command[0]).name} did not judge", where=done.output or done.command[-1]
        )
    return list(done.lines)
