"""A lower bound of time for counted work: a model, simple enough to be stated in a few lines.

A launch takes at least as long as the slowest of these, on the whole card:
- its warp instructions at 4 a clock and multiprocessor (four schedulers, one instruction each;
  CUDA C++ Programming Guide, "Hardware Implementation" of every architecture from 7.0 on);
- its matrix multiply-adds at the dense f16 rate of its tensor cores;
- the 32-byte sectors it must fetch, each once, at the memory's datasheet bandwidth. What an earlier
  launch of the cell wrote, partial results above all, is still in the L2 cache if it fits there.
A cell takes the sum of its launches: each waits for the one before.
Instructions are those of the PTX. What ptxas makes of them was counted on an H200 (`llamaproof
profile`): 0.75 to 2.8 times as many a launch, the same matrix operations and bytes, 2% more sectors
from memory in sum; and each of 30 launches took at least 3 times its bound.
Latencies, waits, launches and the caches' own limits are not in it: real time is longer, often by
much. Nor are idle multiprocessors, of which a grid says little: 0.3.16 launches 142 blocks where 4
have work. Sectors that blocks read again cost nothing; the gate limits them by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from llamaproof.executor.counts import Counts
from llamaproof.executor.launches import ExecutedLaunch
from llamaproof.shadow import Gpu

_INSTRUCTIONS_PER_CLOCK = 4
_SECTOR_BYTES = 32
# Dense f16 multiply-adds per clock and multiprocessor, from NVIDIA's architecture whitepapers
# (Volta, Turing, A100, GA102, Ada, H100) and, for 10.x and 12.x, from peak rates of datasheets
# over multiprocessors and clock.
_TENSOR_MULTIPLY_ADDS = {
    70: 512, 75: 512, 80: 1024, 86: 512, 87: 1024, 89: 512, 90: 2048, 100: 4096, 103: 4096,
    120: 512, 121: 512,
}  # fmt: skip


def least_seconds(launches: Sequence[ExecutedLaunch], gpu: Gpu) -> float | None:
    """The bound of a cell's launches; None where the card's tensor cores are not in the table."""
    if gpu.sm not in _TENSOR_MULTIPLY_ADDS and any(each.counts.mma_macs for each in launches):
        return None
    written = sum(each.counts.sectors_written_unique for each in launches)
    stays = _SECTOR_BYTES * written <= gpu.l2
    total, before = 0.0, 0
    for launch in launches:
        fetched = _fetched(launch.counts, before if stays else None)
        total += max(_computing_s(launch, gpu), _SECTOR_BYTES * fetched / bandwidth(gpu))
        before += launch.counts.sectors_written_unique
    return total


def bandwidth(gpu: Gpu) -> float:
    """Bytes per second of the card's memory: two transfers a clock over the whole bus."""
    return 2e3 * gpu.memory_clock_khz * gpu.memory_bus_bits / 8


def _computing_s(launch: ExecutedLaunch, gpu: Gpu) -> float:
    clocks_per_s = 1e3 * gpu.clock_khz * gpu.multiprocessors
    macs_per_clock = _TENSOR_MULTIPLY_ADDS.get(gpu.sm, 1)
    return max(
        launch.counts.warp_instructions / (_INSTRUCTIONS_PER_CLOCK * clocks_per_s),
        launch.counts.mma_macs / (macs_per_clock * clocks_per_s),
    )


def _fetched(counts: Counts, in_cache: int | None) -> int:
    """Sectors that go to or come from memory at least.

    Args:
        in_cache: sectors that earlier launches left in the cache, where what this one writes stays
            too; None where the cell writes more than the cache holds.
    """
    if in_cache is None:
        return counts.sectors_read_unique + counts.sectors_written_unique
    return max(0, counts.sectors_read_unique - in_cache)
