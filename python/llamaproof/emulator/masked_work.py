"""The work that an attention kernel does for what its mask hides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llamaproof.attention.cell import Cell
from llamaproof.attention.families import Family
from llamaproof.attention.seen import masked_tiles, seen_cells
from llamaproof.executor.launches import ExecutedLaunch
from llamaproof.kernels import names


@dataclass(frozen=True, kw_only=True)
class MaskedWork:
    """Tiles of the kernel's tokens and 256 cells, by what the mask hides of them.

    Attributes:
        hidden: tiles of which no token sees anything.
        tiles: all.
        done: the multiply-adds that were carried out, over those of all tiles.
    """

    hidden: int
    tiles: int
    done: float

    @property
    def worked_on(self) -> float:
        """The share of the hidden tiles that was computed all the same, 0 to 1.

        Tiles that are seen are needed: what was done beyond them was done for hidden ones.
        """
        if not self.hidden:
            return 0.0
        share = self.hidden / self.tiles
        return min(1.0, max(0.0, (self.done - (1 - share)) / share))

    def json(self) -> dict[str, Any]:
        return {"hidden": self.hidden, "all": self.tiles, "worked_on": self.worked_on}


def masked_work(
    cell: Cell, family: Family, launches: Sequence[ExecutedLaunch]
) -> MaskedWork | None:
    """What a cell's kernel did for hidden tiles; None where its multiply-adds are not counted.

    Those of the tensor cores are: kernels without them, and wmma's, whose tiles are others, are not
    judged.
    """
    kernel = _mma_kernel(launches)
    if kernel is None or not cell.extras.mask:
        return None
    tokens, heads = kernel.ncols1, kernel.ncols2
    tiles = -(-cell.n_tokens // tokens) * -(-cell.ratio // heads) * cell.n_kv_heads
    columns = tiles * cell.n_streams * tokens * heads
    whole = columns * cell.n_kv * (cell.heads.k + cell.heads.v)
    hidden, every = masked_tiles(seen_cells(cell, family.recipe.seen), tokens)
    done = sum(launch.counts.mma_macs for launch in launches)
    return MaskedWork(hidden=hidden, tiles=every, done=done / whole)


def _mma_kernel(launches: Sequence[ExecutedLaunch]) -> names.AttentionKernel | None:
    for launch in launches:
        if names.is_attention(names.function_of(launch.kernel)):
            kernel = names.parse(launch.kernel)
            return kernel if kernel.family == "mma" and kernel.ncols1 else None
    return None
