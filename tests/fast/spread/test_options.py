"""`--dask` where it cannot be followed: words that say why, and exit code 2."""

from __future__ import annotations

import sys

import pytest

from llamaproof import cli
from llamaproof.errors import NOT_CHECKED
from tests.support.prove.small_wheel import SmallWheel


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(list(arguments)) == NOT_CHECKED
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("emulate", "some.whl", "--model", "some.gguf"), "--dask spreads shapes over machines"),
        (("emulate", "some.whl", "--coverage"), "--dask spreads shapes over machines"),
        (("dispatch", "some.whl", "--real"), "--dask spreads a grid of cells on shadow GPUs"),
        (("dispatch", "some.whl", "--model", "a.gguf"), "--dask spreads a grid of cells"),
        (("bench", "some.whl"), "--dask spreads what is counted on the emulator"),
        (("bench", "some.whl", "--on", "emulator", "--check"), "--dask spreads what is counted"),
    ],
)
def test_what_runs_on_one_machine_is_not_spread(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in said(capsys, *arguments, "--dask", "tcp://127.0.0.1:9")


def test_without_the_extra_it_is_said_how_to_get_it(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.delitem(sys.modules, "llamaproof.spread.over_dask", raising=False)
    for module in [name for name in sys.modules if name.split(".")[0] == "distributed"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "distributed", None)
    wheel = str(SmallWheel().write(tmp_path_factory.mktemp("dist")))
    words = said(capsys, "emulate", wheel, "--quick", "--dask", "tcp://127.0.0.1:9")
    assert "--dask needs the Python package distributed" in words
    assert "pip install 'llamaproof[dask]'" in words
