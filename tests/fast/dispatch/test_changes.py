"""Two targets are compared cell by cell."""

from __future__ import annotations

import pytest

from llamaproof.dispatch.changes import ChangeVerdict, changes, compare
from llamaproof.placement.outcome import FALLS_BACK, CellOutcome, aborts
from tests.support.binary import mangled_names as names
from tests.support.placement.outcomes import cell, mma, ran

CELL = cell(ratio=20, n_tokens=1)
KERNEL = ran(CELL, mma(4, 4))
ABORT = aborts("fatal error")


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (KERNEL, KERNEL, "same"),
        (FALLS_BACK, FALLS_BACK, "same"),
        (ABORT, aborts("another message"), "same"),
        (FALLS_BACK, KERNEL, "better"),
        (ABORT, FALLS_BACK, "better"),
        (ABORT, KERNEL, "better"),
        (KERNEL, FALLS_BACK, "worse"),
        (KERNEL, ABORT, "worse"),
        (FALLS_BACK, ABORT, "worse"),
    ],
)
def test_a_kernel_beats_the_cpu_and_the_cpu_beats_an_abort(
    before: CellOutcome, after: CellOutcome, verdict: ChangeVerdict
) -> None:
    assert compare(before, after) == verdict


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ((4, 4), (1, 16), "better"),  # 80 columns and 5 passes, then 32 and 2
        ((1, 16), (4, 4), "worse"),
        ((4, 4), (8, 4), "worse"),  # twice the columns for as many passes
        ((1, 1), (1, 16), "different"),  # 20 columns and 20 passes, then 32 and 2
    ],
)
def test_kernels_are_compared_by_idle_columns_and_passes_over_k(
    before: tuple[int, int], after: tuple[int, int], verdict: ChangeVerdict
) -> None:
    assert compare(ran(CELL, mma(*before)), ran(CELL, mma(*after))) == verdict


def test_more_passes_over_k_that_is_loaded_further_ahead_are_different_and_not_worse() -> None:
    prompt = cell(ratio=32, n_tokens=64)
    one_stage = ran(prompt, names.MMA_576_4x16)
    ahead = ran(prompt, names.MMA_576_1x32)
    not_ahead = ran(prompt, names.MMA_576_1x32.replace("ELi2EEv", "ELi1EEv"))
    assert compare(one_stage, ahead) == compare(ahead, one_stage) == "different"
    assert (compare(one_stage, not_ahead), compare(not_ahead, one_stage)) == ("worse", "better")
    # Columns that are computed for nothing are not hidden by loading ahead.
    single = cell(ratio=16)
    assert compare(ran(single, names.MMA_576_1x16), ran(single, names.MMA_576_1x32)) == "worse"


def test_releases_that_spell_the_same_tile_differently_are_the_same() -> None:
    shape = cell(ratio=16)
    assert compare(ran(shape, names.MMA_576_1x16), ran(shape, names.MMA_0_3_36_1x16)) == "same"


def test_another_family_with_the_same_work_is_different() -> None:
    shape = cell(ratio=16, n_tokens=2)
    tile = ran(shape, names.TILE_0_3_36_2x16, grid=(1, 1, 1))
    assert compare(ran(shape, names.MMA_0_3_17_2x16), tile) == "different"


def test_kernels_of_unknown_shape_are_the_same_only_by_name() -> None:
    strange = "void flash_attn_ext_f16<576, 512, 9>(char const*)"
    other = "void flash_attn_ext_f16<576, 512, 8>(char const*)"
    assert compare(ran(CELL, strange), ran(CELL, strange)) == "same"
    assert compare(ran(CELL, strange), ran(CELL, other)) == "different"
    assert compare(KERNEL, ran(CELL, strange)) == "different"


def test_only_cells_that_both_have_are_compared_and_same_ones_left_out() -> None:
    other = cell(ratio=16)
    before = {"L40S": {CELL: FALLS_BACK, other: KERNEL}, "T4": {CELL: FALLS_BACK}}
    after = {"L40S": {CELL: KERNEL, other: KERNEL, cell(ratio=4): ABORT}}
    found = changes(before, after)
    assert [(c.gpu, c.cell, c.verdict) for c in found] == [("L40S", CELL, "better")]
