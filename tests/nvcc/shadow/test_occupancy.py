"""Every card of the table, through the occupancy calculator of NVIDIA's headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof.process import run
from llamaproof.shadow import all_gpus
from tests.support.needs import CHECKOUT
from tests.support.toolkit import toolkit

_SHADOW = CHECKOUT / "native" / "shadow"


@pytest.fixture(scope="module")
def calculator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    headers = toolkit() / "include"
    program = tmp_path_factory.mktemp("occupancy") / "occupancy"
    sources = [_SHADOW / "core" / f"{name}.cpp" for name in ("occupancy", "fatal")]
    test = Path(__file__).parent / "native_tests" / "occupancy_test.cpp"
    run(["g++", "-std=c++17", f"-I{_SHADOW}", "-isystem", headers, test, *sources, "-o", program])
    return program


def test_nvidias_calculator_knows_every_card_and_agrees_on_its_blocks(
    calculator: Path, tmp_path: Path
) -> None:
    """A small kernel fills the card's block slots, or its threads; one that takes all the shared
    memory a block may have leaves room for one block."""
    lines = []
    for gpu in all_gpus():
        card = (
            gpu.sm,
            gpu.max_threads_per_multiprocessor,
            gpu.shared_per_multiprocessor,
            gpu.shared_per_block_optin,
            gpu.reserved_shared_per_block,
        )
        lines.append((*card, 16, 0, 32, 0))
        lines.append((*card, 16, 0, 1024, 0))
        lines.append((*card, 32, 0, 32, gpu.shared_per_block_optin))
    table = tmp_path / "table.txt"
    table.write_text("\n".join(" ".join(map(str, line)) for line in lines))
    answers = iter(run(["sh", "-c", f"{calculator} < {table}"]).lines)
    for gpu in all_gpus():
        assert int(next(answers)) == gpu.max_blocks_per_multiprocessor, gpu.name
        assert int(next(answers)) == gpu.max_threads_per_multiprocessor // 1024, gpu.name
        # Pascal's multiprocessors hold more than a block may take.
        expected = gpu.shared_per_multiprocessor // gpu.shared_per_block_optin
        assert int(next(answers)) == expected, gpu.name
