"""Launches become an outcome: the kernel, its helpers, and how much of its work is real."""

from __future__ import annotations

import pytest

from llamaproof.placement.outcome import from_launches
from tests.support.binary import mangled_names as names
from tests.support.placement.outcomes import cell, launch, mma, ran


def test_the_attention_kernel_is_found_among_its_helpers() -> None:
    outcome = ran(cell(ratio=16, n_tokens=4), names.MMA_576_4x16, names.FIXUP_512_4x16)
    assert outcome.kind == "kernel"
    assert outcome.use is not None
    assert outcome.use.kernel.short == "mma 4x16"
    assert outcome.use.helpers == ("flash_attn_stream_k_fixup",)
    assert outcome.use.grid == (142, 1, 1)
    assert outcome.use.shared_bytes == 1024


@pytest.mark.parametrize(
    ("ratio", "n_tokens", "tile", "real_share", "k_passes"),
    [
        (16, 1, (1, 16), 1.0, 1),
        (20, 1, (4, 4), 4 / 16, 5),  # 5 head groups, 4 of 16 columns in use
        (20, 1, (1, 16), 20 / 32, 2),  # 2 groups, the second padded
        (20, 4, (4, 4), 1.0, 5),
        (16, 512, (4, 16), 1.0, 128),
        (16, 5, (4, 16), 5 / 8, 2),
        (128, 1, (1, 16), 1.0, 8),
    ],
)
def test_real_share_and_passes_over_k_of_a_tensor_core_kernel(
    ratio: int, n_tokens: int, tile: tuple[int, int], real_share: float, k_passes: int
) -> None:
    use = ran(cell(ratio=ratio, n_tokens=n_tokens), mma(*tile)).use
    assert use is not None
    assert use.real_share == pytest.approx(real_share)
    assert use.k_passes == k_passes


def test_other_families_are_counted_by_the_grid_that_was_launched() -> None:
    shape = cell("128", ratio=8, n_tokens=4)
    use = ran(shape, names.VEC_128_8_Q8_0, grid=(1, 16, 16)).use
    assert use is not None
    # 2 KV heads of 8 query heads: one tile of 8 columns for each query head, 4 tokens in it
    assert use.columns == 8 * 16
    assert use.real_columns == 4 * 16
    assert use.k_passes == 8


def test_a_node_that_launches_no_attention_kernel_was_not_computed() -> None:
    assert from_launches(cell(), []).kind == "abort"
    outcome = from_launches(cell(), [launch(names.FIXUP_512_4x16)])
    assert outcome.kind == "abort"
    assert "no attention kernel was launched (flash_attn_stream_k_fixup)" in outcome.message


def test_a_kernel_of_unknown_shape_is_a_kernel_whose_work_is_not_known() -> None:
    use = ran(cell(), "void flash_attn_ext_f16<576, 512, 9>(char const*)").use
    assert use is not None
    assert use.kernel.family == "unknown"
    assert (use.columns, use.k_passes, use.real_share) == (0, 0, 0.0)


def test_an_outcome_in_words() -> None:
    text = ran(cell(), mma(4, 4)).text
    assert text == (
        "flash_attn_ext_f16<576, 512, 4, 4, false, true>, 25% of columns real, K read 5x"
    )
