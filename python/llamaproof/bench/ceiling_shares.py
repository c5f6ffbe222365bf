"""How far a cell is from the hardware: its rates over ceilings measured in the same run."""

from __future__ import annotations

from llamaproof.bench.record import PointResult, Record
from llamaproof.bench.stats import summary


def shares(record: Record, result: PointResult) -> tuple[float | None, float | None]:
    """Least bytes per second over the copy's rate, and FLOP per second over the GEMM's.

    The bytes are those a perfect kernel moves and the FLOP those of visible pairs: work a kernel
    repeats or wastes counts against it. None where the cell or the ceiling was not measured.
    """
    ceilings = record.ceilings
    if ceilings is None or result.status != "measured" or not result.rounds:
        return None, None
    seconds = summary(result.samples).median
    bandwidth = result.least_bytes / seconds / ceilings.copy_bytes_per_s
    if ceilings.gemm_flop_per_s is None:
        return bandwidth, None
    return bandwidth, result.point.flop / seconds / ceilings.gemm_flop_per_s
