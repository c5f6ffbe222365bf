"""Every kernel of the wheel is decoded."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof import cli
from llamaproof.errors import HOLDS


def test_every_kernel_of_the_wheel_can_be_executed(
    wheel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.main(["emulate", str(wheel), "--coverage"])
    assert code == HOLDS, capsys.readouterr().out
