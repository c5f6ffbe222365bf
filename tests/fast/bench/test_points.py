"""Points are the grid that was promised, and count their work right."""

from __future__ import annotations

from typing import Any

import pytest

from llamaproof.attention.cell import PLAIN, Cell, Extras, HeadSizes
from llamaproof.attention.grid import heads_of
from llamaproof.bench.points import Point, Selection, select
from llamaproof.errors import BadInput
from llamaproof.ggml import GgmlType

GRID = select(Selection())


def cell(*, ratio: int = 3, n_tokens: int = 1, n_kv: int = 16, extras: Extras = PLAIN) -> Cell:
    return Cell(
        heads=HeadSizes(k=8, v=8), type_k=GgmlType.F16, type_v=GgmlType.F16, extras=extras,
        ratio=ratio, n_tokens=n_tokens, n_kv=n_kv, n_kv_heads=2,
    )  # fmt: skip


def test_the_default_grid_is_whole() -> None:
    singles = [p.cell for p in GRID if not p.prompt]
    assert {(str(c.heads), c.ratio) for c in singles} == {
        *(("576/512", ratio) for ratio in (16, 20, 32, 128)),
        *(("128", ratio) for ratio in (4, 5, 8)),
    }
    assert len(singles) == 7 * 5 * 8 * 2
    assert {c.n_tokens for c in singles} == {1, 4, 8, 64, 512}
    assert {c.n_kv for c in singles} == {1024 << i for i in range(8)}
    assert {(str(c.heads), c.n_kv_heads) for c in singles} == {("576/512", 1), ("128", 8)}
    assert {p.cell.n_kv for p in GRID if p.prompt} == {1024, 2048, 4096, 8192, 16384}


def test_names_are_unique_and_points_survive_json() -> None:
    assert len({str(p) for p in GRID}) == len(GRID)
    with_sinks = Point(cell=cell(extras=Extras(sinks=True)))
    mixed = with_sinks.varied(type_k=GgmlType.Q8_0)
    assert all(Point.from_json(p.to_json()) == p for p in (*GRID, with_sinks, mixed))


def test_a_point_is_named_as_its_cell_is() -> None:
    assert str(GRID[0]) == str(GRID[0].cell) == "576/512@20 f16 tokens=1 kv=1024"
    prompt = next(p for p in GRID if p.prompt)
    assert str(prompt) == "576/512@20 f16 tokens=512 prompt=1024"


def test_the_most_telling_points_come_first() -> None:
    first = GRID[0].cell
    assert (first.ratio, first.n_tokens, first.type_k) == (20, 1, GgmlType.F16)
    of_f16 = [p for p in GRID if p.cell.type_k is GgmlType.F16]
    assert GRID[: len(of_f16)] == tuple(of_f16)
    few = [p for p in of_f16 if p.cell.n_tokens <= 8]
    assert of_f16[: len(few)] == few
    assert {p.cell.ratio for p in few} == {4, 5, 8, 16, 20, 32, 128}
    prompts = [p for p in of_f16 if p.prompt]
    assert of_f16[-len(prompts) :] == prompts


@pytest.mark.parametrize(
    ("n_tokens", "n_kv", "prompt"), [(1, 16, False), (4, 8, False), (4, 16, True)]
)
def test_visible_pairs_are_those_of_a_causal_mask(n_tokens: int, n_kv: int, prompt: bool) -> None:
    point = Point(cell=cell(n_tokens=n_tokens, n_kv=n_kv), prompt=prompt)
    pairs = sum(
        1
        for step in point.steps
        for token in range(n_tokens)
        for position in range(step.n_kv)
        if position <= step.n_kv - n_tokens + token
    )
    assert point.visible == pairs
    assert point.flop == 2 * (8 + 8) * 6 * pairs


def test_a_prompt_is_its_ubatches() -> None:
    point = next(p for p in GRID if p.prompt and p.cell.n_kv == 2048)
    assert [step.n_kv for step in point.steps] == [512, 1024, 1536, 2048]
    assert point.steps[-1] == point.cell


def test_ratios_outside_the_grid_can_be_asked_for() -> None:
    asked = Selection(
        head_sizes=heads_of("576/512"), gqa_ratios=[6], tokens=[1], n_kv=[256], n_kv_heads=2
    )
    assert [(p.cell.ratio, p.cell.n_kv_heads, p.cell.types) for p in select(asked)] == [
        (6, 2, "f16"),
        (6, 2, "q8_0"),
    ]


def test_other_head_sizes_have_the_kv_heads_that_cells_have() -> None:
    points = select(Selection(head_sizes=heads_of("256"), tokens=[1], n_kv=[256]))
    assert {(p.cell.ratio, p.cell.n_kv_heads) for p in points} == {(1, 2), (4, 2), (8, 2)}


def test_a_ubatch_longer_than_its_cache_is_not_measured() -> None:
    points = select(Selection(tokens=[1, 512], n_kv=[256]))
    assert {p.cell.n_tokens for p in points} == {1}


@pytest.mark.parametrize("value", [{"head_k": 1}, {**GRID[0].to_json(), "colour": "red"}, []])
def test_something_else_is_no_point(value: Any) -> None:
    with pytest.raises(BadInput, match="not a cell"):
        Point.from_json(value)
