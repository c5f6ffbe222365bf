"""Results made up from a cost function, so that a test knows what the gate should say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from llamaproof.bench.cells import Cell, Selection, select
from llamaproof.bench.gate import Evidence
from llamaproof.bench.record import CellResult
from llamaproof.bench.samples import Round

Cost = Callable[[Cell], float]

GRID = select(Selection(kv_types=("f16",)))
ROUNDS = 12


def good_cost(cell: Cell) -> float:
    """Seconds as a sound kernel takes: head groups of 16 padded, linear in n_kv, a launch."""
    width = 16 if cell.head_k == 576 else cell.gqa_ratio
    groups = -(-cell.gqa_ratio // width) * cell.n_kv_heads
    columns = max(1.0, cell.n_tokens / 4)
    return sum(4e-6 + 2e-9 * (0.6 + 0.4 * groups) * columns * n_kv for n_kv in cell.steps)


def timed(
    cells: Iterable[Cell], cost: Cost, *, noise: float = 0.003, seed: int = 1
) -> dict[Cell, CellResult]:
    """Results in seconds, with lognormal noise on every round."""
    rng = np.random.default_rng(seed)
    results = {}
    for cell in cells:
        times = cost(cell) * np.exp(noise * rng.standard_normal(ROUNDS))
        rounds = tuple(Round(samples=(float(t),), clock=None) for t in times)
        results[cell] = CellResult(target=0, cell=cell, status="measured", rounds=rounds)
    return results


def counted(cells: Iterable[Cell], cost: Cost) -> dict[Cell, CellResult]:
    """Results as exact counts and their bound of time, all in proportion to the cost."""
    return {
        cell: CellResult(
            target=0,
            cell=cell,
            status="measured",
            counts={
                "warp_instructions": round(1e12 * cost(cell)),
                "mma_operations": round(1e10 * cost(cell)),
                "global_bytes": round(1e13 * cost(cell)),
                "modelled_microseconds": 1e6 * cost(cell),
            },
        )
        for cell in cells
    }


def fallen_back(cells: Iterable[Cell]) -> dict[Cell, CellResult]:
    """Results of a target that runs none of the cells on the GPU."""
    return {
        cell: CellResult(target=0, cell=cell, status="falls back", reason="supports_op refuses")
        for cell in cells
    }


def evidence(
    results: dict[Cell, CellResult],
    *,
    requested: Sequence[Cell] = GRID,
    **references: dict[Cell, CellResult],
) -> Evidence:
    """Evidence with references by role; `stock` and `newest` stand for the two releases."""
    names = {"stock": "0.3.16", "newest": "0.3.36"}
    counts = any(result.counts for result in results.values())
    return Evidence(
        unit="counted work" if counts else "device seconds",
        requested=requested,
        results=results,
        references={names.get(role, role): found for role, found in references.items()},
    )
