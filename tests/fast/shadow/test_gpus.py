"""The table of cards."""

from __future__ import annotations

import pytest

from llamaproof.errors import BadInput
from llamaproof.shadow import Gpu, all_gpus, find_gpu, find_gpus, gpu_of_sm, representatives


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
