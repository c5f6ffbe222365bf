"""The table of cards."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof.errors import BadInput
from llamaproof.process import run
from llamaproof.shadow import Gpu, all_gpus, find_gpu, find_gpus, gpu_of_sm, representatives
from tests.unit.shadow.toolkit import cuda_headers

_SHADOW = Path(__file__).parents[3] / "native" / "shadow"


def test_every_sm_that_llama_cpp_is_built_for_has_a_card() -> None:
    have = {gpu.sm for gpu in representatives()}
    assert have >= {60, 61, 70, 75, 80, 86, 87, 89, 90, 100, 103, 120, 121}


@pytest.mark.parametrize("name", ["L40S", "l40s", "NVIDIA L40S"])
def test_a_card_is_found_by_its_short_and_its_reported_name(name: str) -> None:
    assert find_gpu(name).sm == 89


def test_spaces_in_a_name_do_not_matter() -> None:
    assert find_gpu("RTX4090") == find_gpu("rtx 4090")


def test_an_unknown_card_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadInput, match="RTX 4090"):
        find_gpu("RTX 9999")
    with pytest.raises(BadInput, match="120"):
        gpu_of_sm(55)


def test_all_means_one_card_for_each_sm_and_each_card_comes_once() -> None:
    assert find_gpus(["all"]) == representatives()
    assert [g.name for g in find_gpus(["L40S", "L40S"], [89, 90])] == ["L40S", "H100"]


@pytest.mark.parametrize("gpu", all_gpus(), ids=lambda gpu: gpu.name)
def test_a_cards_figures_fit_each_other(gpu: Gpu) -> None:
    assert gpu.source
    assert gpu.reserved_shared_per_block == (1024 if gpu.sm >= 80 else 0)
    whole = gpu.shared_per_block_optin + gpu.reserved_shared_per_block
    assert whole <= gpu.shared_per_multiprocessor
    assert gpu.max_threads_per_multiprocessor in (1024, 1536, 2048)
    assert 4 << 30 < gpu.memory < 300 << 30
    assert 1 << 20 < gpu.l2 < 200 << 20


@pytest.fixture(scope="module")
def calculator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    headers = cuda_headers()
    if headers is None:
        pytest.skip("no CUDA headers: set CUDA_HOME, or install nvidia-cuda-runtime")
    program = tmp_path_factory.mktemp("occupancy") / "occupancy"
    sources = [_SHADOW / "core" / f"{name}.cpp" for name in ("occupancy", "fatal")]
    test = Path(__file__).parent / "native_tests" / "occupancy_test.cpp"
    run(["g++", "-std=c++17", f"-I{_SHADOW}", "-isystem", headers, test, *sources, "-o", program])
    return program


@pytest.mark.native
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
