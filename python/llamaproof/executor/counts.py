"""What a launch is counted by, under the names and in the order of native/emulator's counts.def."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The work of one launch. Exactly repeatable: no figure depends on the host or its threads.

    Attributes:
        by_class: warp instructions issued by class, predicated-off ones included.
        active_lanes: lanes that executed, summed over warp instructions.
        mma_ops: matrix instructions; `mma_macs`: their multiply-adds.
        mma_columns: columns of their B fragments (8 each); `mma_columns_used`: those with an
            element that is not zero. `mma_rows` and `mma_rows_used`: the same for rows of A.
        mma_macs_used: multiply-adds of the rows and columns used. What a kernel fills a padded
            row with (the softmax of nothing, say) counts as used: the share is an upper bound.
        global_bytes_read: bytes asked for by lanes, each lane counted.
        sectors_read_requested: 32-byte sectors, distinct within a warp instruction, summed.
        sectors_read_per_block: distinct within a block, summed over blocks.
        sectors_read_unique: distinct over the launch; what `per_block` has beyond it was read
            again by another block.
        shared_conflicts: passes over the banks beyond one for each 128 bytes.
        barriers: warps that arrived at a barrier. atomics: lanes.
    """

    by_class: dict[str, int]
    warp_instructions: int
    active_lanes: int
    mma_ops: int
    mma_macs: int
    mma_macs_used: int
    mma_columns: int
    mma_columns_used: int
    mma_rows: int
    mma_rows_used: int
    global_bytes_read: int
    global_bytes_written: int
    sectors_read_requested: int
    sectors_read_per_block: int
    sectors_read_unique: int
    sectors_written_requested: int
    sectors_written_per_block: int
    sectors_written_unique: int
    shared_accesses: int
    shared_conflicts: int
    barriers: int
    atomics: int

    @property
    def active_lane_share(self) -> float:
        """Share of lanes that executed, of 32 for each warp instruction."""
        return self.active_lanes / (32 * self.warp_instructions) if self.warp_instructions else 0.0


NAMES = tuple(f.name for f in fields(Counts) if f.name != "by_class")
