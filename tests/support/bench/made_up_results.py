"""Results made up from a cost function, so that a test knows what the gate should say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from llamaproof.bench import record as records
from llamaproof.bench.gate import GateEvidence
from llamaproof.bench.points import Point, Selection, select
from llamaproof.bench.record import Machine, PointResult, Record, TargetInfo
from llamaproof.bench.samples import Round
from llamaproof.ggml import GgmlType

Cost = Callable[[Point], float]

GRID = select(Selection(kv_types=(GgmlType.F16,)))
ROUNDS = 12


def good_cost(point: Point) -> float:
    """Seconds as a sound kernel takes: head groups of 16 padded, linear in n_kv, a launch."""
    width = 16 if point.cell.heads.k == 576 else point.cell.ratio
    groups = -(-point.cell.ratio // width) * point.cell.n_kv_heads
    columns = max(1.0, point.cell.n_tokens / 4)
    return sum(4e-6 + 2e-9 * (0.6 + 0.4 * groups) * columns * step.n_kv for step in point.steps)


def timed(
    points: Iterable[Point], cost: Cost, *, noise: float = 0.003, seed: int = 1
) -> dict[Point, PointResult]:
    """Results in seconds, with lognormal noise on every round."""
    rng = np.random.default_rng(seed)
    results = {}
    for point in points:
        times = cost(point) * np.exp(noise * rng.standard_normal(ROUNDS))
        rounds = tuple(Round(samples=(float(t),), clock=None) for t in times)
        results[point] = PointResult(target=0, point=point, status="measured", rounds=rounds)
    return results


def counted(points: Iterable[Point], cost: Cost) -> dict[Point, PointResult]:
    """Results as exact counts and their bound of time, all in proportion to the cost."""
    return {
        point: PointResult(
            target=0,
            point=point,
            status="measured",
            counts={
                "warp_instructions": round(1e12 * cost(point)),
                "mma_operations": round(1e10 * cost(point)),
                "global_bytes": round(1e13 * cost(point)),
                "modelled_microseconds": 1e6 * cost(point),
            },
        )
        for point in points
    }


def fallen_back(points: Iterable[Point]) -> dict[Point, PointResult]:
    """Results of a target that runs none of the cells on the GPU."""
    return {
        point: PointResult(target=0, point=point, status="falls back", reason="supports_op refuses")
        for point in points
    }


def evidence(
    results: dict[Point, PointResult],
    *,
    requested: Sequence[Point] = GRID,
    **references: dict[Point, PointResult],
) -> GateEvidence:
    """GateEvidence with references by role; `stock` and `newest` stand for the two releases."""
    names = {"stock": "0.3.16", "newest": "0.3.36"}
    counts = any(result.counts for result in results.values())
    return GateEvidence(
        unit="counted work" if counts else "device seconds",
        requested=requested,
        results=results,
        references={names.get(role, role): found for role, found in references.items()},
    )


def new_record(n_targets: int, requested: tuple[Point, ...] = GRID) -> Record:
    """A record of that many targets, measured nowhere yet."""
    machine = Machine(
        system="test", cpu="test", cpu_count=1, device="test", gpu=None,
        driver_version="", clocks_missing="",
    )  # fmt: skip
    targets = tuple(
        TargetInfo(
            name=f"target {i}", role=None, version=None, sha256=None, libraries={"libggml.so": "0"},
            ggml_version="0", kv_layout="v_separate",
        )
        for i in range(n_targets)
    )  # fmt: skip
    return Record(
        unit="device seconds", machine=machine, targets=targets, created=records.now(),
        requested=requested,
    )  # fmt: skip
