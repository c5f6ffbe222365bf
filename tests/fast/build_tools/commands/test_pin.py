"""Claims: `pin` lists, checks and describes; its exit codes tell defect from not checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from build_tools.cli import main
from build_tools.pin.definition import load_pin
from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED
from tests.support.build_tools.sources import PIN, TOP


def test_pin_list_says_what_is_pinned_and_why(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pin", "list"], checkout) == HOLDS
    said = capsys.readouterr().out
    assert said.startswith(f"{PIN}: llama.cpp ")
    assert "for tests" in said


def test_pin_check_tells_a_tree_that_is_another(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pin = load_pin(checkout, PIN)
    assert main(["pin", "check"], checkout) == HOLDS
    path = checkout / "vendor" / f"{PIN}.toml"
    path.write_text(path.read_text().replace(pin.tree_sha256, "0" * 64))
    assert main(["pin", "check", PIN], checkout) == DEFECT
    assert f"expected, found {pin.tree_sha256}" in capsys.readouterr().out


def test_pin_describe_prints_a_pin_that_holds(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = checkout / ".cache" / "sdist" / f"{TOP}.tar.gz"
    assert main(["pin", "describe", str(archive)], checkout) == HOLDS
    text = capsys.readouterr().out.replace('reason = ""', 'reason = "again"')
    (checkout / "vendor" / f"{PIN}.toml").write_text(text)
    assert main(["pin", "check"], checkout) == HOLDS


def test_pin_describe_wants_an_sdist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pin", "describe", str(tmp_path / "x.zip")]) == NOT_CHECKED
    assert "NAME-VERSION.tar.gz" in capsys.readouterr().err
    assert main(["pin", "describe", str(tmp_path / "x-1.0.tar.gz")]) == NOT_CHECKED
    assert "No such file" in capsys.readouterr().err
