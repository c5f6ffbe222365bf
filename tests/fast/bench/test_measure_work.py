"""Counts are summed as the gate names them, and the bound of time is the model that is stated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llamaproof import shadow
from llamaproof.bench.measure_work import counts_of
from llamaproof.bench.points import Selection, select_emulated
from llamaproof.executor.counts import Counts
from llamaproof.executor.launches import ExecutedLaunch
from llamaproof.executor.least_time import bandwidth, least_seconds
from llamaproof.ggml import GgmlType

L40S = shadow.find_gpu("L40S")


def launch(blocks: int = 142, **figures: int) -> ExecutedLaunch:
    """A launch whose counts are 0 but for those given."""
    names = [name for name in Counts.__dataclass_fields__ if name != "by_class"]
    counts = Counts(by_class={}, **{name: figures.get(name, 0) for name in names})
    return ExecutedLaunch(
        kernel="k", grid=(blocks, 1, 1), block=(32, 4, 1), dynamic_shared_bytes=0, registers=64,
        ptx_sm=89, seconds=0.0, counts=counts, findings=(),
    )  # fmt: skip


def test_counts_are_summed_over_the_launches() -> None:
    first = launch(
        warp_instructions=10, mma_ops=4, sectors_read_requested=3, sectors_written_requested=1,
        sectors_read_unique=2,
    )  # fmt: skip
    second = launch(warp_instructions=5, sectors_written_requested=2, sectors_written_unique=2)
    counts = counts_of([first, second], L40S)
    assert (counts["warp_instructions"], counts["mma_operations"]) == (15, 4)
    assert (counts["global_bytes"], counts["unique_global_bytes"]) == (6 * 32, 4 * 32)
    bound = least_seconds([first, second], L40S)
    assert bound is not None and counts["modelled_microseconds"] == pytest.approx(1e6 * bound)


def test_a_kernel_that_reads_k_again_costs_that_much_more() -> None:
    once = launch(sectors_read_requested=36_864, sectors_read_unique=36_864)
    five_times = launch(sectors_read_requested=5 * 36_864, sectors_read_unique=36_864)
    assert counts_of([five_times], L40S)["global_bytes"] == (
        5 * counts_of([once], L40S)["global_bytes"]
    )


def test_the_slowest_of_issue_tensor_cores_and_memory_is_the_bound() -> None:
    clocks = 1e3 * L40S.clock_khz * 142
    assert least_seconds([launch(warp_instructions=10**6)], L40S) == pytest.approx(
        10**6 / (4 * clocks)
    )
    assert least_seconds([launch(mma_macs=10**9)], L40S) == pytest.approx(10**9 / (512 * clocks))
    assert least_seconds([launch(sectors_read_unique=10**6)], L40S) == pytest.approx(
        32e6 / bandwidth(L40S)
    )
    everything = launch(warp_instructions=10**6, mma_macs=10**9, sectors_read_unique=10**6)
    assert least_seconds([everything], L40S) == pytest.approx(32e6 / bandwidth(L40S))


def test_partial_results_stay_in_the_cache_if_they_fit() -> None:
    def point(partial: int) -> float:
        main = launch(sectors_read_unique=10**5, sectors_written_unique=partial)
        fixup = launch(sectors_read_unique=partial, sectors_written_unique=10**3)
        seconds = least_seconds([main, fixup], L40S)
        assert seconds is not None
        return seconds

    once = 32e5 / bandwidth(L40S)
    assert point(10**6) == pytest.approx(once)
    too_many = L40S.l2 // 32
    assert point(too_many) == pytest.approx(once + 32 * (2 * too_many + 10**3) / bandwidth(L40S))


def test_blocks_that_return_at_once_make_no_bound_lower() -> None:
    """0.3.16 launches a block for every multiprocessor, however few have work."""
    many, few = (least_seconds([launch(n, warp_instructions=10**6)], L40S) for n in (142, 4))
    assert many == few


def test_bandwidths_are_those_of_the_datasheets() -> None:
    # L40S: 864 GB/s; H200: 4.8 TB/s (datasheets, rounded there)
    assert bandwidth(L40S) == pytest.approx(864e9, rel=0.01)
    assert bandwidth(shadow.find_gpu("H200")) == pytest.approx(4.8e12, rel=0.03)


def test_tensor_peaks_are_those_of_the_datasheets() -> None:
    # Dense f16: L40S 362, A100 312, H200 989 TFLOP/s (there at less than the highest clock).
    for name, tflops in (("L40S", 362), ("A100", 312), ("H200", 989)):
        gpu = shadow.find_gpu(name)
        seconds = least_seconds([launch(10_000, mma_macs=10**12)], gpu)
        assert seconds is not None
        assert 2.0 / seconds == pytest.approx(tflops, rel=0.1), name


def test_a_card_that_is_not_in_the_table_has_no_bound_for_matrix_work() -> None:
    unknown = replace(L40S, sm=61)
    assert least_seconds([launch(mma_macs=1)], unknown) is None
    assert least_seconds([launch(warp_instructions=1)], unknown) is not None
    assert "modelled_microseconds" not in counts_of([launch(mma_macs=1)], unknown)


def test_the_emulator_takes_small_cells_first_and_leaves_out_the_heaviest() -> None:
    points = select_emulated(Selection())
    assert {c.cell.ratio for c in points} == {16, 20, 32, 128, 4, 5, 8}
    assert [c.flop for c in points] == sorted(c.flop for c in points)
    assert max(c.cell.n_kv for c in points) == 16384 and {c.cell.types for c in points} == {"f16"}
    at_512 = [c for c in points if c.cell.n_tokens == 512 and c.cell.ratio == 20]
    assert max(c.cell.n_kv for c in at_512) == 4096 and not any(c.prompt for c in points)


def test_what_is_asked_for_is_not_left_out() -> None:
    asked = Selection(gqa_ratios=[128], tokens=[512], n_kv=[131072], kv_types=[GgmlType.Q8_0])
    (point,) = (c for c in select_emulated(asked) if c.cell.heads.k == 576)
    assert (point.cell.n_kv, point.cell.n_tokens, point.cell.types) == (131072, 512, "q8_0")
