"""The work that is done for hidden tiles follows from exact counts of multiply-adds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llamaproof.attention.cell import Cell, HeadSizes, make_cell
from llamaproof.attention.families import find_family
from llamaproof.emulator.masked_work import masked_work
from llamaproof.emulator.results import result_of
from llamaproof.executor.launches import ExecutedLaunch
from llamaproof.ggml import GgmlType
from tests.support.emulator.made_up_answers import COUNTS, answer

# flash_attn_ext_f16<128, 128, 16, 4, 4, 2, false, false>: tiles of 16 tokens and 4 heads.
KERNEL = "_Z18flash_attn_ext_f16ILi128ELi128ELi16ELi4ELi4ELi2ELb0ELb0EEvPKc"
CELL = make_cell(HeadSizes(k=128, v=128), GgmlType.F16, GgmlType.F16, 4, 35, 1024)
# 3 tiles of 64 columns for each of 2 KV heads, all cells, K and V.
WHOLE = 3 * 64 * 2 * 1024 * (128 + 128)


def launched(macs: float, kernel: str = KERNEL) -> tuple[ExecutedLaunch, ...]:
    counts = {**COUNTS, "mma_macs": int(macs)}
    return result_of(answer(report={"kernel": kernel, "counts": counts})).launches


@pytest.mark.parametrize(("done", "worked_on"), [(1.0, 1.0), (0.75, 0.5), (0.5, 0.0)])
def test_what_is_done_beyond_what_is_seen_is_done_for_hidden_tiles(
    done: float, worked_on: float
) -> None:
    found = masked_work(CELL, find_family("masked-front"), launched(done * WHOLE))
    assert found is not None
    assert (found.hidden, found.tiles) == (6, 12)
    assert found.worked_on == pytest.approx(worked_on)
    assert found.json()["worked_on"] == found.worked_on


def test_streams_and_their_shorter_caches_are_counted_each() -> None:
    cell = replace(CELL, n_streams=2)
    found = masked_work(cell, find_family("random"), launched(2 * WHOLE))
    assert found is not None
    assert found.tiles == 24 and 0 < found.hidden < 12
    assert found.done == pytest.approx(1.0)


def test_of_kernels_without_tensor_cores_and_of_no_kernel_nothing_is_said() -> None:
    vec = "_Z22flash_attn_vec_ext_f32ILi128ELi1EL9ggml_type1ELS0_1ELb0EEvPKc"
    cell: Cell = replace(CELL, n_tokens=1)
    assert masked_work(cell, find_family("masked-front"), launched(0, vec)) is None
    assert masked_work(cell, find_family("masked-front"), ()) is None
