"""Defects planted in real libraries, as the evidence of a wheel would name them."""

from __future__ import annotations

import io
from pathlib import Path

from llamaproof import shadow
from llamaproof.abi.device import read_device_code
from llamaproof.dispatch import requirement
from llamaproof.prove.placement import prove_placement
from llamaproof.prove.section import Section
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.printer import Printer
from llamaproof.shadow import parse_gpus
from tests.support.placement import damaged_libraries as planted

# What stock runs: multiples of 16, on one card for sm_89 and, by its PTX, on newer ones.
REQUIRED = "576/512@16,32:f16#1"


def proved(libraries: Path, cards: tuple[shadow.Gpu, ...]) -> Section:
    code = read_device_code(sorted(libraries.glob("lib*.so*")))
    return prove_placement(
        libraries, code, cards, [requirement.parse(REQUIRED)], None, Printer(io.StringIO())
    )


def test_planted_a_missing_instance_is_a_defect(stock: Path, tmp_path: Path) -> None:
    whole = proved(stock, parse_gpus(["L40S"]))
    assert (whole.outcome, f"{REQUIRED} holds" in whole.words) == (Outcome.HOLDS, True)
    folder = tmp_path / "libraries"
    planted.lose_instance(planted.copy(stock, folder), "ILi576ELi512ELi1ELi16E")
    damaged = proved(folder, parse_gpus(["L40S"]))
    assert damaged.outcome is Outcome.DEFECT
    assert f"{REQUIRED} does not hold" in damaged.words


def test_a_card_older_than_the_code_is_a_defect(stock: Path) -> None:
    section = proved(stock, parse_gpus(["T4"]))
    assert section.outcome is Outcome.DEFECT
    assert section.words == "the wheel has no code that runs on T4 (sm_75)"
