"""Results by context length: a row for each shape and number of tokens, a column for each n_kv."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llamaproof.bench.ceiling_shares import shares
from llamaproof.bench.points import Point
from llamaproof.bench.record import SECONDS, PointResult, Record
from llamaproof.bench.stats import CostVerdict, cost_ratio, median_interval, summary, verdict
from llamaproof.reports.blocks import Table

_WORDS = {"falls back": "CPU", "aborts": "ABORT", "failed": "fail", "left out": "-"}
_MARKS = {
    CostVerdict.SAME: "=",
    CostVerdict.FASTER: "+",
    CostVerdict.SLOWER: "!",
    CostVerdict.AMBIGUOUS: "?",
}


def cost_table(record: Record, target: int, metric: str, title: str) -> Table:
    """The median cost per layer of every cell; seconds are shown in microseconds."""
    return _table(title, record.of(target), lambda result: _cost(result, metric))


def ceiling_table(record: Record, target: int, title: str) -> Table:
    """For each cell the larger of its shares of the copy and of the GEMM ceiling, in percent."""

    def share(result: PointResult) -> str:
        bandwidth, arithmetic = shares(record, result)
        if bandwidth is None:
            return _WORDS.get(result.status, "-")
        if arithmetic is None or bandwidth >= arithmetic:
            return f"{100 * bandwidth:.0f}%b"
        return f"{100 * arithmetic:.0f}%f"

    return _table(title, record.of(target), share)


def ratio_table(record: Record, first: int, second: int, metric: str, title: str) -> Table:
    """Cost of one target over another's with the verdict's mark, per cell."""
    others = record.of(second)

    def compare(result: PointResult) -> str:
        other = others.get(result.point)
        if other is None:
            return "-"
        if result.status != "measured" or other.status != "measured":
            return f"{_WORDS.get(result.status, 'ok')}/{_WORDS.get(other.status, 'ok')}"
        mine, theirs = result.costs.get(metric), other.costs.get(metric)
        if mine is None or theirs is None:
            return "-"
        ratio = cost_ratio(mine, theirs)
        return f"{ratio.value:.2f}{_MARKS[verdict(ratio)]}"

    return _table(title, record.of(first), compare)


def metrics_of(record: Record) -> list[str]:
    """The kinds of cost that the record's results have."""
    return list(dict.fromkeys(name for r in record.results for name in r.costs))


RATIO_LEGEND = (
    "the first over the second: + FASTER or less, ! SLOWER or more, = SAME (within 2%), ? AMBIGUOUS"
)


def _cost(result: PointResult, metric: str) -> str:
    costs = result.costs.get(metric)
    if costs is None:
        return _WORDS.get(result.status, "-")
    if metric != SECONDS:
        return _short(costs[0])
    interval = median_interval(costs)
    noisy = interval.high - interval.low > 0.05 * interval.value
    return _short(1e6 * summary(result.samples).median) + ("~" if noisy else "")


def _short(value: float) -> str:
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e5, "k")):
        if value >= limit:
            return f"{value / (1e3 if suffix == 'k' else limit):.3g}{suffix}"
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _table(
    title: str, results: Mapping[Point, PointResult], show: Callable[[PointResult], str]
) -> Table:
    lengths = sorted({point.cell.n_kv for point in results})
    rows: dict[str, dict[int, str]] = {}
    for point, result in results.items():
        rows.setdefault(_row_name(point), {})[point.cell.n_kv] = show(result)
    columns = [length_label(n) for n in lengths]
    return Table(
        title=title,
        head=("cell", *columns),
        rows=[(name, *(values.get(n, "") for n in lengths)) for name, values in rows.items()],
        figures=columns,
    )


def _row_name(point: Point) -> str:
    return point.row + (" prompt" if point.prompt else "")


def length_label(n: int) -> str:
    """`4K` for 4096."""
    return f"{n // 1024}K" if n % 1024 == 0 else str(n)
