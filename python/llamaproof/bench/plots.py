"""Pictures of a record as SVG: cost by context, distance from the ceilings, targets compared."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from llamaproof.attention.cell import HeadSizes
from llamaproof.bench.by_length import length_label, metrics_of
from llamaproof.bench.ceiling_shares import shares
from llamaproof.bench.points import Point
from llamaproof.bench.record import SECONDS, PointResult, Record
from llamaproof.bench.stats import cost_ratio, slope_interval

_SLOPE_FROM = 4096
_COLOURS = ("#b2182b", "#2166ac", "#1b7837", "#762a83", "#e08214", "#35978f", "#666666")
_RATIO_TICKS = (0.05, 0.1, 0.2, 0.5, 0.7, 1.0, 1.5, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A picture with its caption."""

    name: str
    caption: str
    svg: str


def plots_of(record: Record) -> Iterator[Plot]:
    """Every picture that the record has the results for."""
    metrics, groups = metrics_of(record), tuple(_groups(record))
    for metric, group in itertools.product(metrics, groups):
        costs = [cost for c in group.points for cost in _costs(record.of(0), c).get(metric, ())]
        if any(cost > 0 for cost in costs):
            yield _cost_plot(record, group, metric, has_zero=0 in costs)
    if record.ceilings is not None:
        yield from (_ceiling_plot(record, group) for group in groups)
    others = range(1, len(record.targets))
    for other, metric, group in itertools.product(others, metrics, groups):
        plot = _comparison_plot(record, other, group, metric)
        if plot is not None:
            yield plot


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Cells of one shape and type; a panel of a plot for each number of tokens."""

    heads: HeadSizes
    types: str
    points: tuple[Point, ...]

    @property
    def title(self) -> str:
        return f"head sizes {self.heads}, {self.types}"

    @property
    def slug(self) -> str:
        return f"{self.heads.k}-{self.heads.v}-{self.types}"

    @property
    def panels(self) -> list[int]:
        return sorted({point.cell.n_tokens for point in self.points})

    def lines(self, n_tokens: int) -> Iterator[tuple[int, list[Point]]]:
        """For each GQA ratio its cells by n_kv."""
        here = [c for c in self.points if c.cell.n_tokens == n_tokens]
        for ratio in sorted({c.cell.ratio for c in here}):
            yield (
                ratio,
                sorted((c for c in here if c.cell.ratio == ratio), key=lambda c: c.cell.n_kv),
            )


def _groups(record: Record) -> Iterator[_Group]:
    points = [point for point in record.of(0) if not point.prompt]
    for heads, types in dict.fromkeys((p.cell.heads, p.cell.types) for p in points):
        own = (p for p in points if (p.cell.heads, p.cell.types) == (heads, types))
        yield _Group(heads=heads, types=types, points=tuple(own))


def _cost_plot(record: Record, group: _Group, metric: str, *, has_zero: bool) -> Plot:
    results = record.of(0)
    scale = 1e6 if metric == SECONDS else 1.0
    label = "microseconds per layer" if metric == SECONDS else metric.replace("_", " ")

    def draw(axes: Any, n_tokens: int) -> None:
        for ratio, points in group.lines(n_tokens):
            known = [
                (c.cell.n_kv, results[c].costs[metric])
                for c in points
                if metric in _costs(results, c)
            ]
            if known:
                x = [n for n, _ in known]
                y = [scale * median(cost) for _, cost in known]
                axes.loglog(x, y, marker=".", color=_colour(group, ratio),
                            label=f"ratio {ratio}{_slope_note(known)}")  # fmt: skip
        axes.set_ylabel(label)

    return Plot(
        name=f"cost-{group.slug}-{metric}",
        caption=f"{label} by n_kv, {group.title}: {record.targets[0].name}. "
        f"In the legend the exponent from n_kv {_SLOPE_FROM} on; 1 is linear."
        + (" A cost of zero has no place on these scales." if has_zero else ""),
        svg=_figure(group, draw),
    )


def _ceiling_plot(record: Record, group: _Group) -> Plot:
    results = record.of(0)

    def draw(axes: Any, n_tokens: int) -> None:
        for ratio, points in group.lines(n_tokens):
            seen = [(c.cell.n_kv, shares(record, results[c])) for c in points]
            for index, style in ((0, "-"), (1, ":")):
                known = [(n, 100 * v) for n, s in seen if (v := s[index]) is not None]
                if known:
                    axes.semilogx([n for n, _ in known], [v for _, v in known], style, marker=".",
                                  color=_colour(group, ratio),
                                  label=f"ratio {ratio}" if index == 0 else None)  # fmt: skip
        axes.axhline(100, color="#999999", linewidth=0.8)
        axes.set_ylabel("% of the ceiling")

    return Plot(
        name=f"ceiling-{group.slug}",
        caption=f"Share of the measured copy (solid: bytes) and f16 GEMM (dotted: arithmetic), "
        f"{group.title}: {record.targets[0].name}.",
        svg=_figure(group, draw),
    )


def _comparison_plot(record: Record, other: int, group: _Group, metric: str) -> Plot | None:
    mine, theirs = record.of(0), record.of(other)
    both = [c for c in group.points if metric in _costs(mine, c) and metric in _costs(theirs, c)]
    if not both:
        return None

    def draw(axes: Any, n_tokens: int) -> None:
        for ratio, points in replace(group, points=tuple(both)).lines(n_tokens):
            intervals = [cost_ratio(mine[c].costs[metric], theirs[c].costs[metric]) for c in points]
            x = [c.cell.n_kv for c in points]
            y = [i.value for i in intervals]
            finite = [(i.value - i.low, min(i.high, 10 * i.value) - i.value) for i in intervals]
            bars = [[max(0.0, low) for low, _ in finite], [max(0.0, high) for _, high in finite]]
            counted = all(len(mine[c].costs[metric]) == 1 for c in points)
            axes.errorbar(x, y, yerr=None if counted else bars, marker=".", capsize=2,
                          color=_colour(group, ratio), label=f"ratio {ratio}")  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.axhline(1, color="#999999", linewidth=0.8)
        low, high = axes.get_ylim()
        low, high = min(low, 0.5), max(high, 2.0)
        axes.set_ylim(low, high)
        ticks = [t for t in _RATIO_TICKS if low <= t <= high]
        axes.set_yticks(ticks, labels=[f"{t:g}" for t in ticks])
        axes.set_ylabel("cost ratio")

    against = record.targets[other]
    name = against.role or against.name
    return Plot(
        name=f"against-{other}-{group.slug}-{metric}",
        caption=f"{metric.replace('_', ' ')} over those of {name}, {group.title}; below 1 is "
        f"better than {name}.",
        svg=_figure(group, draw),
    )


def _costs(results: dict[Point, PointResult], point: Point) -> dict[str, tuple[float, ...]]:
    return results[point].costs if point in results else {}


def _slope_note(known: Sequence[tuple[int, tuple[float, ...]]]) -> str:
    long = [(n, cost) for n, cost in known if n >= _SLOPE_FROM]
    if len(long) < 2 or any(v <= 0 for _, cost in long for v in cost):
        return ""
    slope = slope_interval([n for n, _ in long], [cost for _, cost in long])
    return f": {slope.value:.2f}"


def _colour(group: _Group, ratio: int) -> str:
    ratios = sorted({c.cell.ratio for c in group.points})
    return _COLOURS[ratios.index(ratio) % len(_COLOURS)]


def _figure(group: _Group, draw: Callable[[Any, int], None]) -> str:
    """An SVG with one panel for each number of tokens."""
    import matplotlib

    # The canvas is named outright: no display is asked for, and no global state is touched.
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    panels = group.panels
    lengths = sorted({point.cell.n_kv for point in group.points})
    # Fixed ids and no date: the same record gives the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "llamaproof", "font.size": 8}):
        figure = Figure(figsize=(3.4 * len(panels), 3.2), layout="constrained")
        FigureCanvasSVG(figure)
        for index, n_tokens in enumerate(panels):
            axes = figure.add_subplot(1, len(panels), index + 1)
            draw(axes, n_tokens)
            axes.set_title(f"{n_tokens} token{'s' if n_tokens > 1 else ''}")
            axes.set_xlabel("n_kv")
            axes.set_xticks(lengths, labels=[length_label(n) for n in lengths])
            axes.minorticks_off()
            axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(fontsize=7)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :].rstrip()
