"""Two targets of a record cell by cell: which costs more, by how much, and how sure that is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from llamaproof.bench.points import Point
from llamaproof.bench.record import Record
from llamaproof.bench.stats import CostVerdict, Interval, cost_ratio, verdict
from llamaproof.reports.blocks import Table


@dataclass(frozen=True, kw_only=True)
class PointRatio:
    """A cell that both targets ran: the cost of the first over that of the second."""

    point: Point
    ratio: Interval

    @property
    def verdict(self) -> CostVerdict:
        return verdict(self.ratio)


def point_ratios(record: Record, first: int, second: int, metric: str) -> list[PointRatio]:
    """Every cell for which both targets have this kind of cost, in the order measured."""
    others = record.of(second)
    found = []
    for point, result in record.of(first).items():
        mine = result.costs.get(metric)
        theirs = others[point].costs.get(metric) if point in others else None
        if mine and theirs and min(*mine, *theirs) > 0:
            found.append(PointRatio(point=point, ratio=cost_ratio(mine, theirs)))
    return found


def summary_line(found: Sequence[PointRatio]) -> str:
    """`12 FASTER, 3 SAME; 0.81x over all cells (geometric mean), 0.52x to 1.01x`."""
    if not found:
        return "no cell was measured on both"
    counts = Counter(each.verdict for each in found)
    words = ", ".join(f"{counts[kind]} {kind.value}" for kind in CostVerdict if counts[kind])
    ratios = [each.ratio.value for each in found]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    span = f"{min(ratios):.2f}x to {max(ratios):.2f}x"
    return f"{words}; {mean:.2f}x over all cells (geometric mean), {span}"


def point_ratio_table(found: Sequence[PointRatio], title: str) -> Table:
    """A row for each cell; an end of an interval that is not known to any width says so."""
    rows = []
    for each in found:
        ends = (each.ratio.low, each.ratio.high)
        bounded = [f"{end:.3f}" if 0 < end < math.inf else "unknown" for end in ends]
        rows.append((str(each.point), each.verdict.value, f"{each.ratio.value:.3f}", *bounded))
    figures = ("ratio", "from", "to")
    return Table(title=title, head=("cell", "verdict", *figures), rows=rows, figures=figures)
