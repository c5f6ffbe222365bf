"""The default grid holds what models in the wild ask for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llamaproof.attention.cell import Cell, Extras, HeadSizes, can_be_cached, make_cell
from llamaproof.attention.grid import DEFAULT_GRID, DEFAULT_HEADS, cells_of, grid_for
from llamaproof.errors import BadInput
from llamaproof.ggml import GgmlType

CELLS = cells_of(DEFAULT_GRID)


def where(**wanted: object) -> list[Cell]:
    return [c for c in CELLS if all(getattr(c, name) == value for name, value in wanted.items())]


def test_every_head_size_pair_of_the_wild_is_there() -> None:
    equal = {"64", "72", "80", "96", "112", "128", "192", "256", "512"}
    assert {str(c.heads) for c in CELLS} == equal | {"192/128", "320/256", "576/512"}


def test_every_cell_is_there_once_and_has_a_name_of_its_own() -> None:
    assert len(set(CELLS)) == len({str(cell) for cell in CELLS}) == len(CELLS)
    assert list(CELLS) == sorted(CELLS)


def test_mla_is_asked_at_every_multiple_of_four() -> None:
    mla = {c.ratio for c in where(heads=HeadSizes(k=576, v=512), n_tokens=1)}
    assert set(range(4, 129, 4)) <= mla
    assert {1, 2, 3, 5, 6, 7, 10, 71} <= mla


@pytest.mark.parametrize("heads", DEFAULT_HEADS, ids=str)
def test_every_pair_is_asked_at_every_number_of_tokens_and_type_it_can_have(
    heads: HeadSizes,
) -> None:
    cells = where(heads=heads, extras=Extras())
    assert {c.n_tokens for c in cells} == {1, 2, 4, 8, 64, 512}
    types = [GgmlType.parse(t) for t in ("f16", "bf16", "f32", "q8_0", "q4_0", "q5_1")]
    assert {c.type_k for c in cells} == {t for t in types if can_be_cached(heads, t, t)}
    assert {1, 2, 3, 4, 5, 6, 7, 8, 16, 20, 128} <= {c.ratio for c in cells}


def test_quantised_caches_that_llama_cpp_refuses_are_not_asked() -> None:
    assert not can_be_cached(HeadSizes(k=72, v=72), GgmlType.Q8_0, GgmlType.Q8_0)
    assert can_be_cached(HeadSizes(k=72, v=72), GgmlType.F16, GgmlType.F16)
    assert can_be_cached(HeadSizes(k=576, v=512), GgmlType.Q5_1, GgmlType.Q5_1)
    assert not where(heads=HeadSizes(k=112, v=112), type_k=GgmlType.Q4_0)


@pytest.mark.parametrize(
    ("extras", "heads"),
    [
        (Extras(softcap=50.0), {"128", "256"}),
        (Extras(sinks=True), {"64", "128", "192/128"}),
        (Extras(max_bias=8.0), {"64", "80", "96", "112", "128"}),
        (Extras(mask=False), {"64", "72", "80", "96", "128"}),
    ],
)
def test_extras_are_asked_where_models_have_them(extras: Extras, heads: set[str]) -> None:
    assert {str(c.heads) for c in where(extras=extras)} == heads


def test_several_sequences_are_asked() -> None:
    assert {c.n_streams for c in CELLS} == {1, 2, 4, 8}
    assert {str(c.heads) for c in CELLS if c.n_streams == 8} == {"64", "128", "256", "576/512"}


def test_every_block_says_why_it_is_there() -> None:
    assert all(len(block.reason) > 15 for block in DEFAULT_GRID)


def test_n_kv_is_padded_as_llama_cpp_pads_it() -> None:
    assert all(c.n_kv % 256 == 0 for c in CELLS)


def test_a_latent_has_one_kv_head_and_others_have_several() -> None:
    f16 = GgmlType.F16
    assert make_cell(HeadSizes(k=576, v=512), f16, f16, 20, 1, 4096).n_kv_heads == 1
    assert make_cell(HeadSizes(k=128, v=128), f16, f16, 8, 1, 4096).n_kv_heads == 2


def test_head_sizes_outside_the_default_grid_can_be_asked() -> None:
    strange = HeadSizes(k=40, v=40)
    cells = cells_of(grid_for([strange]), heads=[strange])
    assert cells
    assert {c.heads for c in cells} == {strange}


@pytest.mark.parametrize("text", ["", "x", "128/", "/128", "1/2/3", "-64", "576:512"])
def test_what_is_no_pair_of_head_sizes_is_refused(text: str) -> None:
    if text == "128/":
        assert HeadSizes.parse(text) == HeadSizes(k=128, v=128)
        return
    with pytest.raises(BadInput, match="no head sizes"):
        HeadSizes.parse(text)


def test_a_cell_is_named_by_all_that_tells_it_from_others() -> None:
    f16, q8_0 = GgmlType.F16, GgmlType.Q8_0
    cell = make_cell(HeadSizes(k=576, v=512), f16, f16, 20, 1, 4096)
    assert str(cell) == "576/512@20 f16 tokens=1 kv=4096"
    streams = replace(cell, n_streams=4, layout="V apart")
    assert str(streams) == "576/512@20 f16, V apart streams=4 tokens=1 kv=4096"
    mixed = make_cell(HeadSizes(k=64, v=64), q8_0, f16, 8, 2, 4096, Extras(sinks=True))
    assert str(mixed) == "64@8 x2 q8_0/f16 with sinks tokens=2 kv=4096"
