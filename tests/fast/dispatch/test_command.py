"""`llamaproof dispatch` turns evidence into files, words and an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from llamaproof import cli
from llamaproof.dispatch import command, requirement
from llamaproof.dispatch.requirement import Requirement
from llamaproof.placement.survey import Survey
from tests.support.placement.made_up_surveys import CELLS, evidence


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let targets named `16`, `4` be releases with kernels at multiples of that."""

    def collect(target: str, _gpus: object, _cells: object, _carrier: object) -> Survey:
        return evidence(step=int(target))

    def parse(text: str) -> Requirement:
        ratio = int(text)
        return Requirement(
            text=text, cells=tuple(c for c in CELLS if c.heads.k == 576 and c.ratio == ratio)
        )

    monkeypatch.setattr(command, "_collect", collect)
    return lambda: monkeypatch.setattr(requirement, "parse", parse)


def run(*arguments: str) -> int:
    return cli.main(["dispatch", *arguments])


@pytest.mark.usefixtures("released")
def test_without_anything_required_there_is_nothing_to_fail() -> None:
    assert run("16") == 0


def test_an_unmet_requirement_is_1(
    released: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    released()
    assert run("16", "--require", "16") == 0
    assert run("16", "--require", "16", "--require", "20") == 1
    printed = capsys.readouterr().out
    assert "holds 16" in printed
    assert "does not hold 20" in printed
    assert "L40S: ratio 20, 1,8,512 tokens: falls back to the CPU" in printed


@pytest.mark.usefixtures("released")
def test_a_cell_worse_than_the_other_target_is_1() -> None:
    assert run("4", "--diff", "16") == 0
    assert run("16", "--diff", "4") == 1


@pytest.mark.usefixtures("released")
def test_a_requirement_that_is_none_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("16", "--require", "nonsense") == 2
    assert "no requirement: 'nonsense'" in capsys.readouterr().err


@pytest.mark.usefixtures("released")
def test_a_card_that_is_not_known_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("16", "--gpu", "Voodoo 2") == 2
    assert "Voodoo 2" in capsys.readouterr().err


def test_a_target_that_is_not_there_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("/no/such/wheel.whl") == 2
    assert "no such file or folder" in capsys.readouterr().err


def test_the_evidence_is_written(released: Callable[[], None], tmp_path: Path) -> None:
    released()
    document, html = tmp_path / "evidence.json", tmp_path / "evidence.html"
    arguments = ["4", "--diff", "16", "--require", "20"]
    assert run(*arguments, "--json", str(document), "--html", str(html)) == 0
    told = json.loads(document.read_text())
    assert told["requirements"] == [{"requirement": "20", "holds": True, "unmet": []}]
    assert told["comparison"]["counts"]["better"] == 9
    assert "Compared with release-16.whl" in html.read_text()


@pytest.mark.usefixtures("released")
def test_a_folder_that_cannot_be_written_to_is_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("16", "--json", str(tmp_path / "none" / "x.json")) == 2
    assert "cannot write x.json" in capsys.readouterr().err
