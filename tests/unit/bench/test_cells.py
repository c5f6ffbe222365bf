"""Cells are the grid that was promised, and count their work right."""

from __future__ import annotations

import pytest

from llamaproof.bench.cells import Cell, Selection, select
from llamaproof.errors import BadInput

GRID = select(Selection())


def test_the_default_grid_is_whole() -> None:
    singles = [c for c in GRID if not c.prompt]
    assert {(c.head_k, c.head_v, c.gqa_ratio) for c in singles} == {
        *((576, 512, ratio) for ratio in (16, 20, 32, 128)),
        *((128, 128, ratio) for ratio in (4, 5, 8)),
    }
    assert len(singles) == 7 * 5 * 8 * 2
    assert {c.n_tokens for c in singles} == {1, 4, 8, 64, 512}
    assert {c.n_kv for c in singles} == {1024 << i for i in range(8)}
    assert {c.n_kv for c in GRID if c.prompt} == {1024, 2048, 4096, 8192, 16384}


def test_labels_are_unique_and_cells_survive_json() -> None:
    assert len({c.label for c in GRID}) == len(GRID)
    assert all(Cell.from_json(c.to_json()) == c for c in GRID)


def test_the_most_telling_cells_come_first() -> None:
    assert (GRID[0].gqa_ratio, GRID[0].n_tokens, GRID[0].kv_type) == (20, 1, "f16")
    of_f16 = [cell for cell in GRID if cell.kv_type == "f16"]
    assert GRID[: len(of_f16)] == tuple(of_f16)
    few = [cell for cell in of_f16 if cell.n_tokens <= 8]
    assert of_f16[: len(few)] == few and {c.gqa_ratio for c in few} == {4, 5, 8, 16, 20, 32, 128}
    prompts = [cell for cell in of_f16 if cell.prompt]
    assert of_f16[-len(prompts) :] == prompts


@pytest.mark.parametrize(
    ("n_tokens", "n_kv", "prompt"), [(1, 16, False), (4, 8, False), (4, 16, True)]
)
def test_visible_pairs_are_those_of_a_causal_mask(n_tokens: int, n_kv: int, prompt: bool) -> None:
    cell = Cell(
        head_k=8, head_v=8, n_kv_heads=2, gqa_ratio=3, kv_type="f16",
        n_tokens=n_tokens, n_kv=n_kv, prompt=prompt,
    )  # fmt: skip
    pairs = sum(
        1
        for seen in cell.steps
        for token in range(n_tokens)
        for position in range(seen)
        if position <= seen - n_tokens + token
    )
    assert cell.visible == pairs
    assert cell.flop == 2 * (8 + 8) * 6 * pairs


def test_a_prompt_is_its_ubatches() -> None:
    cell = next(c for c in GRID if c.prompt and c.n_kv == 2048)
    assert cell.steps == (512, 1024, 1536, 2048)


def test_ratios_outside_the_grid_can_be_asked_for() -> None:
    cells = select(
        Selection(head_sizes=[(576, 512)], gqa_ratios=[6], tokens=[1], n_kv=[256], n_kv_heads=2)
    )
    assert {(c.gqa_ratio, c.n_kv_heads, c.kv_type) for c in cells} == {
        (6, 2, "f16"),
        (6, 2, "q8_0"),
    }


def test_something_else_is_no_cell() -> None:
    with pytest.raises(BadInput, match="not a cell"):
        Cell.from_json({"head_k": 1})
