"""A lower bound of time for counted work: a model, simple enough to be stated in four lines.

A launch takes at least as long as the slowest of these, on the multiprocessors its blocks reach:
- its warp instructions at 4 a clock and multiprocessor (four schedulers, one instruction each;
  CUDA C++ Programming Guide, "Hardware Implementation" of every architecture from 7.0 on);
- its matrix multiply-adds at the dense f16 rate of its tensor cores;
- the 32-byte sectors it touches, each once, at the memory's datasheet bandwidth.
Latencies, waits, launches and caches are not in it: real time is longer, often by much.
"""

from __future__ import annotations

from llamaproof.emulator.evidence import ExecutedLaunch
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


def least_seconds(launch: ExecutedLaunch, gpu: Gpu) -> float | None:
    """The bound of one launch on a card; None where its tensor cores are not in the table."""
    blocks = launch.grid[0] * launch.grid[1] * launch.grid[2]
    clocks_per_s = 1e3 * gpu.clock_khz * min(gpu.multiprocessors, blocks)
    counts = launch.counts
    if counts.mma_macs and gpu.sm not in _TENSOR_MULTIPLY_ADDS:
        return None
    tensor_rate = _TENSOR_MULTIPLY_ADDS.get(gpu.sm, 1) * clocks_per_s
    sectors = counts.sectors_read_unique + counts.sectors_written_unique
    return max(
        counts.warp_instructions / (_INSTRUCTIONS_PER_CLOCK * clocks_per_s),
        counts.mma_macs / tensor_rate,
        _SECTOR_BYTES * sectors / bandwidth(gpu),
    )


def bandwidth(gpu: Gpu) -> float:
    """Bytes per second of the card's memory: two transfers a clock over the whole bus."""
    return 2e3 * gpu.memory_clock_khz * gpu.memory_bus_bits / 8
