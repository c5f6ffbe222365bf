"""The figures that the emulator and the profiler both have of a launch, and how they may differ.

The emulator executes PTX; the card executes machine code that ptxas made of the same PTX. ptxas
changes nothing in what a kernel reads and writes, where its warps meet, or which matrix products it
takes: those figures must be the same. In the arithmetic around them it is free:
- it turns a branch around an instruction into a predicate; a warp then issues the instruction with
  no lane, and the profiler counts it (its counts of lanes do not);
- it loads neighbours from shared memory together;
- an integer division, one instruction of PTX, becomes some twenty of the machine's; most of what
  blocks without work do is divide.
Such figures are held to bounds, or shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from llamaproof.executor.launches import ExecutedLaunch
from llamaproof.executor.least_time import least_seconds
from llamaproof.profile.ncu import Profiled
from llamaproof.shadow import Gpu


class FigureRule(str, Enum):
    """What is asked of a figure."""

    SAME = "same"
    WITHIN = "bounds"
    SHOWN = "shown"


class FigureOutcome(str, Enum):
    """What became of it."""

    SAME = "same"
    WITHIN = "within"
    DIFFERS = "differs"
    SHOWN = "shown"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of a launch.

    Attributes:
        emulated: the emulator's number.
        measured: the card's; None where the profiler did not collect it.
        rule: for `WITHIN`, `lowest` and `highest` bound what is measured.
        reason: why it must be the same, or may differ.
    """

    name: str
    rule: FigureRule
    emulated: Callable[[ExecutedLaunch], float]
    measured: Callable[[Profiled], float | None]
    reason: str
    lowest: Callable[[ExecutedLaunch], float] | None = None
    highest: Callable[[ExecutedLaunch], float] | None = None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A figure of one launch, both ways."""

    figure: Figure
    emulated: float
    measured: float | None
    outcome: FigureOutcome

    @property
    def ratio(self) -> float | None:
        """The card's over the emulator's; None where either is missing or nothing."""
        if self.measured is None or self.emulated == 0:
            return None
        return self.measured / self.emulated


def compare(figure: Figure, emulated: ExecutedLaunch, measured: Profiled) -> Compared:
    """One figure of a launch, judged."""
    value, other = figure.emulated(emulated), figure.measured(measured)
    return Compared(
        figure=figure,
        emulated=value,
        measured=other,
        outcome=_outcome(figure, emulated, value, other),
    )


def _outcome(
    figure: Figure, launch: ExecutedLaunch, value: float, other: float | None
) -> FigureOutcome:
    if other is None:
        return FigureOutcome.NOT_MEASURED
    if figure.rule is FigureRule.SHOWN:
        return FigureOutcome.SHOWN
    if value == other:
        return FigureOutcome.SAME
    if figure.lowest is None or figure.highest is None:
        return FigureOutcome.DIFFERS
    inside = figure.lowest(launch) <= other <= figure.highest(launch)
    return FigureOutcome.WITHIN if inside else FigureOutcome.DIFFERS


def _of_class(*names: str) -> Callable[[ExecutedLaunch], float]:
    return lambda launch: sum(launch.counts.by_class.get(name, 0) for name in names)


def _count(name: str) -> Callable[[ExecutedLaunch], float]:
    return lambda launch: float(getattr(launch.counts, name))


def _opcodes(*names: str) -> Callable[[Profiled], float | None]:
    """Warp instructions with these opcodes; nothing where no opcodes were collected."""

    def measured(launch: Profiled) -> float | None:
        if not launch.opcodes:
            return None
        return sum(launch.opcodes.get(name, 0) for name in names)

    return measured


def _metrics(*names: str) -> Callable[[Profiled], float | None]:
    """The sum of metrics, of those that this chip has; None where it has none of them."""

    def measured(launch: Profiled) -> float | None:
        found = [launch.metrics[name] for name in names if name in launch.metrics]
        return sum(found) if found else None

    return measured


def _times(factor: float, name: str) -> Callable[[ExecutedLaunch], float]:
    return lambda launch: factor * float(getattr(launch.counts, name))


# Bytes a lane moves, by modifier; 4 without any of these.
_WIDTHS = {"U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16}


def _bytes(*names: str) -> Callable[[Profiled], float | None]:
    """What the lanes of these opcodes moved; nothing where lanes were not collected."""

    def measured(launch: Profiled) -> float | None:
        if not launch.lanes:
            return None
        total = 0
        for opcode, lanes in launch.lanes.items():
            name, *modifiers = opcode.split(".")
            if name in names:
                total += lanes * next((_WIDTHS[m] for m in modifiers if m in _WIDTHS), 4)
        return float(total)

    return measured


def _whole_warps(*names: str) -> Callable[[Profiled], float | None]:
    """Warp instructions that all lanes executed, with these opcodes."""

    def measured(launch: Profiled) -> float | None:
        if not launch.lanes:
            return None
        return sum(n for opcode, n in launch.lanes.items() if opcode.split(".")[0] in names) / 32

    return measured


def _times_class(factor: float, name: str) -> Callable[[ExecutedLaunch], float]:
    return lambda launch: factor * launch.counts.by_class.get(name, 0)


def _requested(factor: float) -> Callable[[ExecutedLaunch], float]:
    return lambda launch: (
        factor * (launch.counts.sectors_read_requested + launch.counts.sectors_written_requested)
    )


def _blocks(launch: ExecutedLaunch) -> float:
    return float(launch.grid[0] * launch.grid[1] * launch.grid[2])


FIGURES = (
    Figure(
        name="blocks launched",
        rule=FigureRule.SAME,
        emulated=_blocks,
        measured=lambda launch: float(launch.grid[0] * launch.grid[1] * launch.grid[2]),
        reason="the host code computes the grid from the card's occupancy",
    ),
    Figure(
        name="threads a block",
        rule=FigureRule.SAME,
        emulated=lambda launch: float(launch.block[0] * launch.block[1] * launch.block[2]),
        measured=lambda launch: float(launch.block[0] * launch.block[1] * launch.block[2]),
        reason="the host code sets it",
    ),
    Figure(
        name="dynamic shared memory",
        rule=FigureRule.SAME,
        emulated=lambda launch: float(launch.dynamic_shared_bytes),
        measured=_metrics("launch__shared_mem_per_block_dynamic"),
        reason="the host code sets it",
    ),
    Figure(
        name="matrix products (HMMA)",
        rule=FigureRule.SAME,
        emulated=_count("mma_ops"),
        measured=_opcodes("HMMA"),
        reason="one mma is one HMMA",
    ),
    Figure(
        name="tensor pipe, its own counter",
        rule=FigureRule.WITHIN,
        emulated=_count("mma_ops"),
        measured=_metrics("sm__inst_executed_pipe_tensor_op_hmma.sum"),
        lowest=_count("mma_ops"),
        highest=lambda launch: float(launch.counts.mma_ops or math.inf),
        reason="the same where there are matrix products; else other f16 work of that pipe",
    ),
    Figure(
        name="matrix loads (LDSM)",
        rule=FigureRule.SAME,
        emulated=_of_class("matrix_load"),
        measured=_opcodes("LDSM"),
        reason="one ldmatrix is one LDSM",
    ),
    Figure(
        name="barriers (BAR)",
        rule=FigureRule.SAME,
        emulated=_count("barriers"),
        measured=_whole_warps("BAR"),
        reason="one bar.sync is one BAR of a whole warp",
    ),
    Figure(
        name="bytes read, as lanes ask",
        rule=FigureRule.SAME,
        emulated=_count("global_bytes_read"),
        measured=_bytes("LDG", "LDGSTS"),
        reason="ptxas neither adds nor drops a read of global memory",
    ),
    Figure(
        name="bytes written, as lanes ask",
        rule=FigureRule.SAME,
        emulated=_count("global_bytes_written"),
        measured=_bytes("STG"),
        reason="ptxas neither adds nor drops a write to global memory",
    ),
    Figure(
        name="sectors written, as warps ask",
        rule=FigureRule.SAME,
        emulated=_count("sectors_written_requested"),
        measured=_metrics("l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum"),
        reason="distinct 32-byte sectors of each store, which addresses alone decide",
    ),
    Figure(
        name="sectors, as warps ask for them",
        rule=FigureRule.WITHIN,
        emulated=lambda launch: float(
            launch.counts.sectors_read_requested + launch.counts.sectors_written_requested
        ),
        measured=_metrics("memory_l2_theoretical_sectors_global"),
        lowest=_requested(1.0),
        highest=_requested(1.5),
        reason="the profiler adds half to copies that have L2 fetch ahead (.L2::64B)",
    ),
    Figure(
        name="sectors read from L2",
        rule=FigureRule.WITHIN,
        emulated=_count("sectors_read_per_block"),
        measured=_metrics("lts__t_sectors_srcunit_tex_op_read.sum"),
        lowest=_times(1.0, "sectors_read_unique"),
        highest=_times(1.5, "sectors_read_requested"),
        reason="each sector once at least; what warps ask for and L2 fetches ahead at most",
    ),
    Figure(
        name="sectors read from memory",
        rule=FigureRule.SHOWN,
        emulated=_count("sectors_read_unique"),
        measured=_metrics("dram__sectors_read.sum"),
        reason="memory is read 64 bytes at a time, and the profiler's own data with it",
    ),
    Figure(
        name="copies to shared memory (LDGSTS)",
        rule=FigureRule.WITHIN,
        emulated=_of_class("async_copy"),
        measured=_opcodes("LDGSTS", "LDGDEPBAR"),
        lowest=_times_class(1.0, "async_copy"),
        highest=_times_class(1.25, "async_copy"),
        reason="cp.async is LDGSTS, waiting for all LDGDEPBAR; some issued with no lane",
    ),
    Figure(
        name="global loads (LDG)",
        rule=FigureRule.WITHIN,
        emulated=_of_class("load_global"),
        measured=_opcodes("LDG"),
        lowest=_times_class(1.0, "load_global"),
        highest=_times_class(2.0, "load_global"),
        reason=(
            "ld.global is LDG; where ptxas makes predicates of the two sides of a branch both are "
            "issued, one with no lane, and the bytes of lanes stay the same"
        ),
    ),
    Figure(
        name="global stores (STG)",
        rule=FigureRule.WITHIN,
        emulated=_of_class("store_global"),
        measured=_opcodes("STG"),
        lowest=_times_class(1.0, "store_global"),
        highest=_times_class(2.0, "store_global"),
        reason=(
            "st.global is STG; where ptxas makes predicates of the two sides of a branch both are "
            "issued, one with no lane, and the bytes of lanes stay the same"
        ),
    ),
    Figure(
        name="shared loads (LDS)",
        rule=FigureRule.SHOWN,
        emulated=_of_class("load_shared"),
        measured=_opcodes("LDS"),
        reason="neighbours are loaded together; some issued with no lane",
    ),
    Figure(
        name="shared stores (STS)",
        rule=FigureRule.SHOWN,
        emulated=_of_class("store_shared"),
        measured=_opcodes("STS"),
        reason="some issued with no lane",
    ),
    Figure(
        name="local loads and stores (LDL, STL)",
        rule=FigureRule.SHOWN,
        emulated=_of_class("load_local", "store_local"),
        measured=_opcodes("LDL", "STL"),
        reason="ptxas spills what does not fit into registers",
    ),
    Figure(
        name="shared-memory bank conflicts",
        rule=FigureRule.SHOWN,
        emulated=_count("shared_conflicts"),
        measured=_metrics("l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum"),
        reason="the counter also holds conflicts between the unit's own kinds of work",
    ),
    Figure(
        name="warp instructions",
        rule=FigureRule.WITHIN,
        emulated=_count("warp_instructions"),
        measured=_metrics("smsp__inst_executed.sum"),
        lowest=_times(0.5, "warp_instructions"),
        highest=_times(3.0, "warp_instructions"),
        reason="moves and addresses are merged; a division becomes some twenty instructions",
    ),
    Figure(
        name="lanes that executed",
        rule=FigureRule.SHOWN,
        emulated=_count("active_lanes"),
        measured=_metrics("sass__thread_inst_executed_true_per_opcode"),
        reason="follows the warp instructions",
    ),
)


def figures_for(gpu: Gpu) -> tuple[Figure, ...]:
    """The figures, and the model's bound of time on this card against the time it took."""

    def bound_ns(launch: ExecutedLaunch) -> float:
        return 1e9 * (least_seconds([launch], gpu) or 0.0)

    return (
        *FIGURES,
        Figure(
            name="nanoseconds, by the model at least",
            rule=FigureRule.WITHIN,
            emulated=bound_ns,
            measured=_metrics("gpu__time_duration.sum"),
            lowest=bound_ns,
            highest=lambda _launch: math.inf,
            reason="a lower bound: latencies, waits and idle multiprocessors are not in it",
        ),
    )
