"""Each comparison ends in a verdict with its ratio and interval; noise alone decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llamaproof.bench.cost_ratios import point_ratio_table, point_ratios, summary_line
from llamaproof.bench.points import Point
from llamaproof.bench.record import SECONDS, PointResult, Record
from llamaproof.bench.stats import CostVerdict
from llamaproof.reports.blocks import Words
from tests.support.bench.made_up_results import GRID, Cost, good_cost, new_record, timed

SOME = [point for point in GRID if point.cell.ratio == 20 and not point.prompt]


def record_of(first: Cost, second: Cost, *, noise: float) -> Record:
    record = new_record(2)
    for index, cost in enumerate((first, second)):
        for result in timed(SOME, cost, noise=noise, seed=index).values():
            record.put(replace(result, target=index))
    return record


def plainly(row: Sequence[Words]) -> list[str]:
    return list(map(str, row))


def test_noise_alone_is_same_or_ambiguous_in_every_cell() -> None:
    for noise in (0.002, 0.02, 0.2):
        found = point_ratios(record_of(good_cost, good_cost, noise=noise), 0, 1, SECONDS)
        assert len(found) == len(SOME)
        assert {each.verdict for each in found} <= {CostVerdict.SAME, CostVerdict.AMBIGUOUS}


def test_a_slower_kernel_is_slower_with_its_ratio_and_interval() -> None:
    def slow(point: Point) -> float:
        return good_cost(point) * (7.5 if point == SOME[3] else 0.5)

    found = point_ratios(record_of(slow, good_cost, noise=0.003), 0, 1, SECONDS)
    rows = {row[0]: row[1:] for row in map(plainly, point_ratio_table(found, "").rows)}
    verdict, ratio, low, high = rows[str(SOME[3])]
    assert verdict == "SLOWER" and float(low) < 7.5 < float(high) and abs(float(ratio) - 7.5) < 0.1
    line = summary_line(found)
    assert f"{len(SOME) - 1} FASTER, 1 SLOWER" in line and ", 0.5" in line


def test_cells_that_one_target_did_not_run_are_not_compared() -> None:
    record = record_of(good_cost, good_cost, noise=0.003)
    record.put(PointResult(target=1, point=SOME[0], status="falls back", reason="refused"))
    assert len(point_ratios(record, 0, 1, SECONDS)) == len(SOME) - 1
    assert summary_line([]) == "no cell was measured on both"


def test_too_few_rounds_say_that_the_interval_is_unknown() -> None:
    record = record_of(good_cost, good_cost, noise=0.003)
    for result in list(record.results):
        record.put(replace(result, rounds=result.rounds[:2]))
    row = plainly(point_ratio_table(point_ratios(record, 0, 1, SECONDS), "").rows[0])
    assert row[1] == "AMBIGUOUS" and row[3:] == ["unknown", "unknown"]
