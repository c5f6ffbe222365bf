"""Every command can be asked for its help, and a word that is none is refused."""

from __future__ import annotations

import importlib

import pytest

import build_tools.cli
from llamaproof import cli


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


@pytest.mark.parametrize("name", names(cli.COMMANDS))
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
