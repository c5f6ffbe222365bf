"""Results as a compact table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from llamaproof.bench.cells import Cell
from llamaproof.bench.record import CellResult, Record
from llamaproof.bench.stats import Verdict, median_interval, ratio_interval, summary, verdict

_WORDS = {"falls back": "CPU", "aborts": "ABORT", "failed": "fail", "left out": "-"}
_MARKS = {Verdict.SAME: "=", Verdict.FASTER: "+", Verdict.SLOWER: "!", Verdict.AMBIGUOUS: "?"}


def cost_table(record: Record, target: int) -> str:
    """Median cost per layer of every cell: a line per shape and tokens, a column per n_kv."""
    return _table(record.of(target), lambda result: _cost(result))


def ceiling_table(record: Record, target: int) -> str:
    """For each cell the larger of its shares of the copy and of the GEMM ceiling, in percent."""
    ceilings = record.ceilings
    if ceilings is None:
        return "no ceilings were measured"

    def share(result: CellResult) -> str:
        bandwidth, arithmetic = shares(record, result)
        if bandwidth is None:
            return _WORDS.get(result.status, "-")
        if arithmetic is None or bandwidth >= arithmetic:
            return f"{100 * bandwidth:.0f}%b"
        return f"{100 * arithmetic:.0f}%f"

    return _table(record.of(target), share)


def shares(record: Record, result: CellResult) -> tuple[float | None, float | None]:
    """Achieved bytes/s over the copy's, and achieved FLOP/s over the GEMM's; None where unknown."""
    ceilings = record.ceilings
    if ceilings is None or result.status != "measured" or not result.rounds:
        return None, None
    seconds = summary(result.samples).median
    bandwidth = result.least_bytes / seconds / ceilings.copy_bytes_per_s
    if ceilings.gemm_flop_per_s is None:
        return bandwidth, None
    return bandwidth, result.cell.flop / seconds / ceilings.gemm_flop_per_s


def comparison_table(record: Record, first: int, second: int) -> str:
    """Cost of one target over another's with the verdict's mark, per cell."""
    others = record.of(second)

    def compare(result: CellResult) -> str:
        other = others.get(result.cell)
        if other is None:
            return "-"
        if result.status != "measured" or other.status != "measured":
            return f"{_WORDS.get(result.status, 'ok')}/{_WORDS.get(other.status, 'ok')}"
        name = next(iter(result.costs))
        ratio = ratio_interval(result.costs[name], other.costs[name])
        return f"{ratio.value:.2f}{_MARKS[verdict(ratio)]}"

    return _table(record.of(first), compare)


COMPARISON_LEGEND = (
    "cost of the first over the second: + FASTER, ! SLOWER, = SAME (within 2%), ? AMBIGUOUS"
)


def _cost(result: CellResult) -> str:
    if result.status != "measured":
        return _WORDS[result.status]
    if result.counts:
        return _short(next(iter(result.counts.values())))
    medians = next(iter(result.costs.values()))
    interval = median_interval(medians)
    noisy = interval.high - interval.low > 0.05 * interval.value
    return _short(1e6 * summary(result.samples).median) + ("~" if noisy else "")


def _short(value: float) -> str:
    if value >= 99950:
        return f"{value / 1000:.0f}k"
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _table(results: dict[Cell, CellResult], show: object) -> str:
    assert callable(show)
    lengths = sorted({cell.n_kv for cell in results})
    head = ["", *(_length(n) for n in lengths)]
    lines = [head]
    rows: dict[str, dict[int, str]] = {}
    for cell, result in results.items():
        rows.setdefault(_row_name(cell), {})[cell.n_kv] = show(result)
    for name, values in rows.items():
        lines.append([name, *(values.get(n, "") for n in lengths)])
    return _aligned(lines)


def _row_name(cell: Cell) -> str:
    return cell.label.rsplit("=", 1)[0].rsplit(" ", 1)[0] + (" prompt" if cell.prompt else "")


def _length(n: int) -> str:
    return f"{n // 1024}K" if n % 1024 == 0 else str(n)


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        line[0].ljust(widths[0])
        + "".join(
            "  " + text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True)
        )
        for line in lines
    )
