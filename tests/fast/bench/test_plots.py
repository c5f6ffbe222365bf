"""Pictures on logarithmic scales say what has no place on them."""

from __future__ import annotations

import warnings
from dataclasses import replace

from llamaproof.bench.plots import plots_of
from llamaproof.bench.record import Record
from tests.support.bench.made_up_results import GRID, counted, good_cost, new_record

ONE = tuple(c for c in GRID if c.cell.n_tokens == 1 and c.cell.ratio == 20 and not c.prompt)


def record_of(mma_operations: list[float]) -> Record:
    """A record of counts whose kernels use the tensor cores that much."""
    record = new_record(1, ONE)
    record.unit = "counted work"
    results = counted(ONE, good_cost).values()
    for result, count in zip(results, mma_operations, strict=True):
        record.put(replace(result, counts={**result.counts, "mma_operations": count}))
    return record


def captions(record: Record) -> dict[str, str]:
    """By name, with matplotlib's warnings as errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return {plot.name.rpartition("-")[2]: plot.caption for plot in plots_of(record)}


def test_where_every_cost_is_zero_there_is_no_picture() -> None:
    found = captions(record_of([0.0] * len(ONE)))
    assert "mma_operations" not in found
    assert "warp_instructions" in found


def test_a_zero_among_other_costs_is_said_to_be_missing() -> None:
    found = captions(record_of([0.0] + [5.0] * (len(ONE) - 1)))
    assert "zero has no place" in found["mma_operations"]
    assert "zero" not in found["warp_instructions"]
