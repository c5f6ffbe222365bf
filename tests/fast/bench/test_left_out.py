"""What a run left out of the grid is said, shapes of which the same is missing together."""

from __future__ import annotations

from llamaproof.bench.left_out import left_out_lines
from llamaproof.bench.points import Selection, select

GRID = select(Selection(prompts=False))


def test_nothing_is_said_of_a_whole_grid() -> None:
    assert list(left_out_lines(GRID)) == []


def test_what_is_missing_is_named_together() -> None:
    without_q8 = [point for point in GRID if point.cell.types == "f16"]
    lines = list(left_out_lines(without_q8))
    assert lines[0] == f"not counted: {len(without_q8)} of the {len(GRID)} cells of the grid"
    assert len(lines) == 2 and "q8_0, 1, 4, 8, 64, 512 tokens" in lines[1]
    assert "576/512@20" in lines[1] and "128@5" in lines[1]


def test_one_missing_cell_is_named_alone() -> None:
    (*rest, last) = GRID
    lines = list(left_out_lines(rest))
    assert lines[0].startswith("not counted: 1 of ")
    assert f"n_kv {last.cell.n_kv // 1024}K" in lines[1] and last.cell.types in lines[1]
