"""The grid on real libraries of llama-cpp-python 0.3.16 as released, and on damaged copies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from llamaproof import shadow
from llamaproof.attention.cell import PLAIN, Cell, Extras, HeadSizes, make_cell
from llamaproof.attention.grid import MAX_RATIO
from llamaproof.ggml import GgmlType
from llamaproof.placement.on_shadow import collect
from llamaproof.placement.outcome import CellOutcome
from tests.support.placement import damaged_libraries as planted

F16, Q5_1, Q8_0, BF16 = GgmlType.F16, GgmlType.Q5_1, GgmlType.Q8_0, GgmlType.BF16
EVERY_RATIO = range(1, MAX_RATIO + 1)


def cells(
    heads: str,
    ratios: Sequence[int],
    *,
    kind: GgmlType = F16,
    tokens: Sequence[int] = (1,),
    extras: Extras = PLAIN,
) -> list[Cell]:
    pair = HeadSizes.parse(heads)
    return [
        make_cell(pair, kind, kind, ratio, n_tokens, 4096, extras)
        for ratio in ratios
        for n_tokens in tokens
    ]


def outcomes(
    libraries: Path, asked: Sequence[Cell], gpu: shadow.Gpu | str = "L40S"
) -> Mapping[Cell, CellOutcome]:
    played = shadow.find_gpu(gpu) if isinstance(gpu, str) else gpu
    return collect(str(libraries), [played], asked).reports[0].outcomes


def ratios_on_gpu(found: Mapping[Cell, CellOutcome]) -> set[int]:
    return {cell.ratio for cell, outcome in found.items() if outcome.kind == "kernel"}


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        ("64", set(EVERY_RATIO)),
        ("128", set(EVERY_RATIO)),
        ("256", set(EVERY_RATIO)),
        ("192/128", set()),
        ("192", set()),
        ("576/512", {16, 32, 48, 64, 80, 96, 112, 128}),
    ],
)
def test_stock_0_3_16_runs_f16_on_an_l40s_at_the_ratios_its_source_says(
    stock: Path, heads: str, expected: set[int]
) -> None:
    assert ratios_on_gpu(outcomes(stock, cells(heads, EVERY_RATIO))) == expected


@pytest.mark.parametrize(
    ("n_tokens", "label"),
    [
        (1, "flash_attn_ext_f16<576, 512, 1, 16, 2, 2, false, true>"),
        (2, "flash_attn_ext_f16<576, 512, 2, 16, 4, 2, false, true>"),
        (512, "flash_attn_ext_f16<576, 512, 4, 16, 8, 2, false, true>"),
    ],
)
def test_stock_0_3_16_picks_the_kernel_its_source_says(
    stock: Path, n_tokens: int, label: str
) -> None:
    (outcome,) = outcomes(stock, cells("576/512", [16], tokens=[n_tokens])).values()
    assert outcome.use is not None
    assert outcome.use.kernel.label == label
    assert outcome.use.real_share == 1.0


def test_without_a_mask_the_latent_kernel_is_refused(stock: Path) -> None:
    found = outcomes(stock, cells("576/512", [16], extras=Extras(mask=False)))
    assert {o.kind for o in found.values()} == {"cpu"}


def test_planted_supports_op_relaxed_and_the_dispatch_not_aborts(
    stock: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "libraries"
    planted.relax_gate(planted.copy(stock, folder), planted.SUPPORTS_OP)
    found = {c.ratio: o for c, o in outcomes(folder, cells("576/512", [16, 20, 21])).items()}
    assert found[16].kind == "kernel"
    assert found[20].kind == "abort"
    assert "GGML_ASSERT(gqa_ratio % 16 == 0) failed" in found[20].message
    assert found[21].kind == "cpu"


def test_planted_the_dispatch_relaxed_and_supports_op_not_still_falls_back(
    stock: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "libraries"
    planted.relax_gate(planted.copy(stock, folder), planted.DISPATCH)
    found = {c.ratio: o for c, o in outcomes(folder, cells("576/512", [16, 20])).items()}
    assert (found[16].kind, found[20].kind) == ("kernel", "cpu")


def test_planted_an_instance_without_code_aborts_where_it_is_picked(
    stock: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "libraries"
    planted.lose_instance(planted.copy(stock, folder), "ILi576ELi512ELi1ELi16E")
    asked = cells("576/512", [16], tokens=[1, 2])
    found = {c.n_tokens: o for c, o in outcomes(folder, asked).items()}
    assert found[1].kind == "abort"
    assert found[1].message.startswith("CUDA error")
    assert found[2].kind == "kernel"


def test_planted_a_card_with_less_shared_memory_than_a_kernel_takes_aborts(stock: Path) -> None:
    card = shadow.find_gpu("L40S")
    small = dataclasses.replace(card, name="small", shared_per_block_optin=65536)
    asked = cells("576/512", [16], tokens=[1, 512])
    found = outcomes(stock, asked, small)
    for cell, outcome in outcomes(stock, asked).items():
        assert outcome.use is not None
        fits = outcome.use.shared_bytes <= 65536
        assert (found[cell].kind == "kernel") == fits
    assert "abort" in {o.kind for o in found.values()}


def test_a_library_without_code_for_the_sm_aborts_and_says_so(stock: Path) -> None:
    found = outcomes(stock, cells("128", [1, 8]), "T4")
    for outcome in found.values():
        assert outcome.kind == "abort"
        assert "ggml was not compiled with any CUDA arch <= 750" in outcome.message


def test_a_type_without_a_vector_kernel_aborts_on_one_token_alone(stock: Path) -> None:
    found = outcomes(stock, cells("128", [8], kind=Q5_1, tokens=[1, 8]))
    by_tokens = {c.n_tokens: o for c, o in found.items()}
    assert by_tokens[1].kind == "abort"
    assert by_tokens[1].message.startswith("Unsupported KV type combination for head_size 128.")
    assert by_tokens[8].kind == "kernel"


def test_a_type_that_supports_op_knows_to_be_missing_falls_back(stock: Path) -> None:
    found = outcomes(stock, cells("128", [8], kind=BF16))
    assert {o.kind for o in found.values()} == {"cpu"}
