"""What became of a cell: which kernel, with how much real work, or none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from llamaproof.attention.cell import Cell
from llamaproof.kernels import names as kernel_names
from llamaproof.kernels.names import AttentionKernel

Dim3 = tuple[int, int, int]
Kind = Literal["kernel", "cpu", "abort"]

# From bad to good: an abort ends the process, the CPU only makes it slow.
ORDER: tuple[Kind, ...] = ("abort", "cpu", "kernel")

WORDS: dict[Kind, str] = {
    "kernel": "runs on the GPU",
    "cpu": "falls back to the CPU",
    "abort": "aborts",
}


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A kernel launch as the recorder saw it.

    Attributes:
        name: mangled name of the kernel.
        shared_bytes: dynamic shared memory.
    """

    name: str
    grid: Dim3
    block: Dim3
    shared_bytes: int


@dataclass(frozen=True, kw_only=True)
class KernelUse:
    """The attention kernel of a cell, and its work.

    Attributes:
        helpers: the other launches of the node, in order, by function name.
        real_columns: query columns that the cell has: tokens of all streams times heads.
        columns: query columns that the launched tiles hold, padding included.
        k_passes: times each KV head's K is read: tiles over the tokens and heads of its group.
    """

    kernel: AttentionKernel
    grid: Dim3
    block: Dim3
    shared_bytes: int
    helpers: tuple[str, ...]
    real_columns: int
    columns: int
    k_passes: int

    @property
    def real_share(self) -> float:
        """Share of columns that do real work, 0 to 1; 0 when the tile is not known."""
        return self.real_columns / self.columns if self.columns else 0.0


@dataclass(frozen=True, kw_only=True)
class CellOutcome:
    """What became of a cell.

    Attributes:
        use: the kernel; None unless `kind` is `kernel`.
        message: for an abort what was printed, in short; empty otherwise.
    """

    kind: Kind
    use: KernelUse | None = None
    message: str = ""

    @property
    def text(self) -> str:
        """In words, for a message."""
        if self.use is not None:
            share = f"{self.use.real_share:.0%} of columns real"
            return f"{self.use.kernel.label}, {share}, K read {self.use.k_passes}x"
        return WORDS[self.kind] + (f": {self.message}" if self.message else "")


FALLS_BACK = CellOutcome(kind="cpu")


def aborts(message: str) -> CellOutcome:
    """The outcome of a cell that the backend accepted and did not survive."""
    return CellOutcome(kind="abort", message=message)


def from_launches(
    cell: Cell, launches: Sequence[Launch], *, hollow: Collection[str] = ()
) -> CellOutcome:
    """The outcome of a cell that was computed, from what was launched meanwhile.

    A backend that accepts a node and launches no attention kernel has computed nothing: the node
    counts as aborted, since its result is not there. So does one that launches a kernel without
    code, which ends the program a moment later.

    Args:
        hollow: mangled names of kernels that only trap (`kernels.hollow`).
    """
    proper = [x for x in launches if kernel_names.is_attention(kernel_names.function_of(x.name))]
    if not proper:
        names = ", ".join(kernel_names.function_of(x.name) for x in launches) or "nothing"
        return aborts(f"accepted, but no attention kernel was launched ({names})")
    # With several of them (none of the known releases does that) the first one reads K.
    launch = proper[0]
    if launch.name in hollow:
        label = kernel_names.parse(launch.name).label
        return aborts(f"launches {label}, which is compiled to a trap for this sm")
    helpers = tuple(kernel_names.function_of(x.name) for x in launches if x is not launch)
    return CellOutcome(kind="kernel", use=_use(cell, launch, helpers))


def _use(cell: Cell, launch: Launch, helpers: tuple[str, ...]) -> KernelUse:
    kernel = kernel_names.parse(launch.name)
    real = cell.all_tokens * cell.n_heads
    token_tiles, head_tiles = _tiles(cell, kernel, launch.grid)
    tile_columns = kernel.ncols1 * kernel.ncols2
    return KernelUse(
        kernel=kernel,
        grid=launch.grid,
        block=launch.block,
        shared_bytes=launch.shared_bytes,
        helpers=helpers,
        real_columns=real,
        columns=token_tiles * head_tiles * cell.n_kv_heads * cell.n_streams * tile_columns,
        k_passes=token_tiles * head_tiles,
    )


def _tiles(cell: Cell, kernel: AttentionKernel, grid: Dim3) -> tuple[int, int]:
    """Tiles over the tokens, and over the heads of one KV head.

    mma kernels split their work evenly over blocks (stream-k), so their grid says nothing of
    tiles. The other families launch x = tiles over tokens, z = tiles over all heads
    (`launch_fattn` in fattn-common.cuh); there the grid is the truth.
    """
    if kernel.ncols1 == 0:
        return 0, 0
    by_shape = (_ceil_div(cell.n_tokens, kernel.ncols1), _ceil_div(cell.ratio, kernel.ncols2))
    if kernel.family == "mma":
        return by_shape
    kv_heads = cell.n_kv_heads * cell.n_streams
    if grid[2] % kv_heads:
        return by_shape
    return grid[0], grid[2] // kv_heads


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)
