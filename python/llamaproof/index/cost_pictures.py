"""The benchmark of a wheel as pictures: its counted work beside that of published releases."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from llamaproof.attention.cell import HeadSizes
from llamaproof.bench import record as records
from llamaproof.bench.by_length import length_label
from llamaproof.bench.gate_input import kept_records
from llamaproof.bench.points import Point
from llamaproof.bench.record import MODELLED, Record
from llamaproof.kept_evidence import SCHEMA as EVIDENCE
from llamaproof.reports import document
from llamaproof.reports.blocks import Picture

# The shape that the series is for, and the numbers of tokens of a conversation and of a prompt.
_HEADS = HeadSizes(k=576, v=512)
_TOKENS = (1, 8, 512)
_COLOURS = ("#b2182b", "#2166ac", "#1b7837", "#762a83")
_STYLES = ("-", "--", ":", "-.")


def counted_work(evidence: Path) -> Record | None:
    """The counts that the gate judged, from a wheel's evidence; None where it judged none.

    Raises:
        BadInput: the evidence cannot be read, is of another schema or version, or is damaged.
    """

    def parse(members: dict[str, Any]) -> Record | None:
        proof = members.get("work", {}).get("proof")
        return None if proof is None else records.parse(proof["record"], where=evidence)

    return document.read(evidence, EVIDENCE, parse, hint="prove the wheel again: llamaproof prove")


def cost_pictures(record: Record) -> Iterator[Picture]:
    """For each GQA ratio that was counted, cost by context length: a panel for each batch size."""
    kept = ((_name(one), one) for one in kept_records(record.unit) if _is_alike(one, record))
    shown = [("this wheel", record), *kept]
    for ratio in sorted({p.cell.ratio for p in record.of(0) if _is_shown(p)}):
        lines = {label: _costs(one, ratio) for label, one in shown}
        if any(lines.values()):
            without = [
                f"{label} ({_why_no_line(one, ratio)})" for label, one in shown if not lines[label]
            ]
            yield Picture(
                name=f"cost-{ratio}", caption=_caption(record, ratio, without), svg=_drawn(lines)
            )


def _is_alike(kept: Record, record: Record) -> bool:
    return kept.machine.device == record.machine.device


def _caption(record: Record, ratio: int, without: Sequence[str]) -> str:
    words = (
        f"Microseconds that the counted work of one layer takes at least, by context length: head "
        f"sizes {_HEADS}, GQA ratio {ratio}, f16, {record.machine.device}. Lower is better. "
        "It is a model made of exact counts; nothing was timed."
    )
    return words + (f" Without a line: {', '.join(without)}." if without else "")


def _why_no_line(record: Record, ratio: int) -> str:
    """What became of the cells of which there is no cost."""
    found = {r.status for p, r in record.of(0).items() if _is_shown(p) and p.cell.ratio == ratio}
    if found == {"falls back"}:
        return "attention runs on the CPU"
    return ", ".join(sorted(found)) or "not asked for"


def _is_shown(point: Point) -> bool:
    cell = point.cell
    return not point.prompt and cell.heads == _HEADS and cell.n_tokens in _TOKENS


def _costs(record: Record, ratio: int) -> dict[int, list[tuple[int, float]]]:
    """For each number of tokens the cost by n_kv."""
    found: dict[int, list[tuple[int, float]]] = {}
    for point, result in record.of(0).items():
        if _is_shown(point) and point.cell.ratio == ratio and MODELLED in result.costs:
            cost = result.costs[MODELLED][0]
            found.setdefault(point.cell.n_tokens, []).append((point.cell.n_kv, cost))
    return {n_tokens: sorted(costs) for n_tokens, costs in sorted(found.items())}


def _name(kept: Record) -> str:
    target = kept.targets[0]
    return target.role or target.name


def _drawn(lines: Mapping[str, Mapping[int, Sequence[tuple[int, float]]]]) -> str:
    """Panels below each other, so that a phone shows them without scrolling to the side."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    panels = sorted({n_tokens for by_tokens in lines.values() for n_tokens in by_tokens})
    # Fixed ids and no date: the same record gives the same bytes. Text stays text.
    settings: Any = {"svg.hashsalt": "llamaproof", "svg.fonttype": "none", "font.size": 9}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(3.4, 2.1 * len(panels)), layout="constrained")
        FigureCanvasSVG(figure)
        for index, n_tokens in enumerate(panels):
            axes = figure.add_subplot(len(panels), 1, index + 1)
            _draw_panel(axes, n_tokens, lines)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :].rstrip()


def _draw_panel(
    axes: Any, n_tokens: int, lines: Mapping[str, Mapping[int, Sequence[tuple[int, float]]]]
) -> None:
    lengths: set[int] = set()
    for index, (label, by_tokens) in enumerate(lines.items()):
        costs = by_tokens.get(n_tokens, ())
        lengths.update(n_kv for n_kv, _ in costs)
        if costs:
            axes.loglog(
                [n_kv for n_kv, _ in costs], [cost for _, cost in costs], marker=".",
                linestyle=_STYLES[index % 4], color=_COLOURS[index % 4], label=label,
            )  # fmt: skip
    axes.set_title(f"{n_tokens} token{'s' if n_tokens > 1 else ''}")
    axes.set_ylabel("microseconds")
    axes.set_xlabel("n_kv")
    axes.set_xticks(sorted(lengths), labels=[length_label(n) for n in sorted(lengths)])
    axes.minorticks_off()
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    axes.legend(fontsize=8)
