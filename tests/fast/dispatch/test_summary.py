"""Many cells become few words."""

from __future__ import annotations

import pytest

from llamaproof.attention.cell import Cell
from llamaproof.dispatch.changes import Change
from llamaproof.dispatch.summary import (
    group_changes,
    place,
    ratios_in_words,
    rows_of,
    summarise,
    summarise_by_depth,
)
from llamaproof.placement.outcome import FALLS_BACK, CellOutcome, aborts
from tests.support.binary import mangled_names as names
from tests.support.placement.outcomes import cell, mma, ran

ASKED = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32)


@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        (ASKED, "every ratio"),
        ((4, 8, 12, 16, 20, 24, 32), "%4"),
        ((16, 32), "%16"),
        ((1, 3, 5, 7), "not %2"),
        ((4, 8, 12, 20, 24), "%4 not %16"),
        ((1, 2, 3, 20), "1-3,20"),
        ((24, 32), "24-32"),
    ],
)
def test_ratios_are_named_by_what_divides_them(ratios: tuple[int, ...], words: str) -> None:
    assert ratios_in_words(ratios, ASKED) == words


def test_many_scattered_ratios_are_counted() -> None:
    assert ratios_in_words(range(1, 100, 3), range(1, 129)) == "33 of 128 ratios"


def gated(step: int) -> dict[Cell, CellOutcome]:
    """A release that has a kernel at multiples of `step` alone."""
    found: dict[Cell, CellOutcome] = {}
    for ratio in ASKED:
        shape = cell(ratio=ratio)
        found[shape] = ran(shape, mma(1, 16)) if ratio % step == 0 else FALLS_BACK
    return found


def test_a_partly_supported_row_says_where() -> None:
    summary = summarise(gated(16))
    assert summary.text == "mma %16 · CPU not %16"
    assert summary.quality == "mixed"
    assert summary.real_share == (1.0, 1.0)


def test_a_wholly_supported_row_is_one_word_and_has_its_least_share() -> None:
    summary = summarise(gated(1))
    assert summary.text == "mma"
    assert summary.quality == "good"
    assert summary.real_share == (1 / 16, 1.0)


def test_any_abort_colours_the_row() -> None:
    outcomes = gated(16)
    outcomes[cell(ratio=20)] = aborts("boom")
    assert summarise(outcomes).quality == "abort"
    assert "aborts 20" in summarise(outcomes).text


def test_several_families_at_one_ratio_are_joined() -> None:
    one, many = cell("128", ratio=8, n_tokens=1), cell("128", ratio=8, n_tokens=8)
    outcomes = {one: ran(one, names.VEC_128_1_F16), many: ran(many, names.MMA_128_8x1)}
    assert summarise(outcomes).text == "mma+vec"
    assert summarise(outcomes, say=place).text == "GPU"


def test_a_deeper_context_is_named_only_where_it_differs() -> None:
    shallow, deep = cell("128", ratio=8), cell("128", ratio=8, n_kv=32768)
    other = cell("128", ratio=1)
    vec, mma_kernel = names.VEC_128_1_F16, names.MMA_128_8x1
    same = {shallow: ran(shallow, vec), other: ran(other, vec), deep: ran(deep, vec)}
    assert summarise_by_depth(same).text == "vec"
    changed = {**same, deep: ran(deep, mma_kernel)}
    assert summarise_by_depth(changed).text == "vec; n_kv 32768: mma"


def test_nothing_on_the_gpu_has_no_share() -> None:
    summary = summarise({cell(): FALLS_BACK})
    assert (summary.text, summary.quality, summary.real_share) == ("CPU", "cpu", None)


def test_rows_come_by_head_sizes() -> None:
    rows = rows_of([cell("576/512"), cell("64"), cell("64", ratio=2)])
    assert [str(row) for row in rows] == ["64 f16", "576/512 f16"]


def test_changes_of_one_kind_are_one_line_with_the_worst_first() -> None:
    cells = [cell(ratio=ratio, n_tokens=tokens) for ratio in ASKED for tokens in (1, 8)]
    changes = [
        Change(gpu="L40S", cell=c, verdict="better", before=FALLS_BACK, after=ran(c, mma(4, 4)))
        for c in cells
        if c.ratio % 4 == 0
    ]
    worse = Change(
        gpu="L40S", cell=cells[0], verdict="worse", before=FALLS_BACK, after=aborts("boom")
    )
    first, second = group_changes([*changes, worse], cells)
    assert (first.verdict, first.before, first.after, first.count) == ("worse", "CPU", "aborts", 1)
    assert (second.verdict, second.ratios, second.n_tokens) == ("better", "%4", (1, 8))
    assert (second.before, second.after, second.count) == ("CPU", "mma", 14)


def test_a_change_within_a_family_shows_the_tiles() -> None:
    shape = cell()
    change = Change(
        gpu="L40S",
        cell=shape,
        verdict="better",
        before=ran(shape, mma(4, 4)),
        after=ran(shape, mma(1, 16)),
    )
    (group,) = group_changes([change], [shape])
    assert (group.before, group.after) == ("mma 4x4", "mma 1x16")
