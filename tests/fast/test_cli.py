"""Every command gives its help and does its work without what only the others need."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import pytest

import build_tools.cli
from llamaproof import cli
from llamaproof.process import run
from tests.support.needs import CHECKOUT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def names(commands: tuple[str, ...]) -> list[str]:
    """What the commands are called, each module's one."""

    class Names(list[str]):
        def add_parser(self, name: str, **_rest: object) -> object:
            self.append(name)
            raise _Named

    class _Named(Exception):
        pass

    found = Names()
    for module in commands:
        with pytest.raises(_Named):
            importlib.import_module(module).configure_parser(found)
    return found


@pytest.mark.parametrize("name", [command.name for command in cli.COMMANDS.values()])
def test_the_help_of_each_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"usage: llamaproof {name}" in said
    assert "%%" not in said


@pytest.mark.parametrize("name", names(build_tools.cli.COMMANDS))
def test_the_help_of_each_build_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        build_tools.cli.main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: python -m build_tools {name}" in capsys.readouterr().out


@pytest.mark.parametrize("main", [cli.main, build_tools.cli.main])
def test_no_command_and_an_unknown_one_are_refused_with_2(
    main: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    for words in ([], ["nonsense"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
    assert "nonsense" in capsys.readouterr().err


# Every package that llamaproof depends on, as it is imported, but for those that are needed by all
# commands that look into libraries.
PACKAGES = (
    "clang", "gguf", "jinja2", "lz4", "matplotlib", "packaging", "pynvml", "rich",
    "securesystemslib", "tomli", "zstandard",
)  # fmt: skip
NEEDED_FOR_LIBRARIES = ("elftools", "numpy")

# Runs command lines where one package is gone.
WITHOUT = """
import contextlib, io, json, sys
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Gone())
from llamaproof.cli import main
answers = []
for words in json.loads(sys.argv[2]):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = main(words)
        except SystemExit as ended:
            code = ended.code
    answers.append([code, said.getvalue()])
print(json.dumps(answers))
"""
# A question that each command comes to refuse in its own words, once it has begun.
QUESTIONS = {
    "abi": ("no.whl",),
    "bench": ("no.whl",),
    "dispatch": ("no.whl",),
    "doctor": ("--target", "no.whl"),
    "emulate": ("no.whl",),
    "keys": ("show", "no.whl"),
    "profile": ("no.whl", "--record", "out"),
    "prove": ("no.whl",),
    "release": ("dist", "--policy", "no.whl"),
    "sign": ("no.whl", "--key", "no.whl"),
    "verify": ("no.whl",),
    "yank": ("a.whl", "--undo", "--index", "no.whl"),
}


def without(package: str, folder: Path) -> dict[str, tuple[int, str]]:
    """Every command line below, asked where a package is gone: its exit code, and what it said."""
    asked = [["--help"]]
    for command in cli.COMMANDS.values():
        asked += [[command.name, "--help"], [command.name, *QUESTIONS[command.name]]]
    env = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    done = run((sys.executable, "-c", WITHOUT, package, json.dumps(asked)), cwd=folder, env=env)
    answers = json.loads(done.lines[-1])
    return {" ".join(words): tuple(said) for words, said in zip(asked, answers, strict=True)}


@pytest.mark.parametrize("package", [*PACKAGES, *NEEDED_FOR_LIBRARIES])
def test_a_command_does_without_what_only_others_need(package: str, tmp_path: Path) -> None:
    answers = without(package, tmp_path)
    code, said = answers["--help"]
    assert code == 0 and all(f"\n    {c.name} " in said for c in cli.COMMANDS.values())
    for command in cli.COMMANDS.values():
        helped, help_said = answers[f"{command.name} --help"]
        asked, said = answers[" ".join((command.name, *QUESTIONS[command.name]))]
        assert asked == 2 and "Traceback" not in said
        for_libraries = NEEDED_FOR_LIBRARIES if command.looks_into_libraries else ()
        if package in (*command.needs, *for_libraries):
            assert helped == 2 and f"imported as {package}\n" in help_said
        else:
            assert helped == 0 and "imported as" not in help_said
            # Before a target is opened, a profiler is looked for.
            assert "no.whl" in said or "the profiler ncu" in said


def test_no_package_is_left_out_of_the_question() -> None:
    written = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["dependencies"]
    asked = {*PACKAGES, *NEEDED_FOR_LIBRARIES}
    assert len(written) == len(asked)
    assert {p for command in cli.COMMANDS.values() for p in command.needs} <= asked
