"""Dispatch evidence as one HTML page that needs nothing else: pictures, verdicts, tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from llamaproof.attention.cell import PLAIN, Cell, HeadSizes
from llamaproof.attention.grid import SHALLOW
from llamaproof.dispatch.changes import Change
from llamaproof.dispatch.requirement import Requirement, Unmet
from llamaproof.dispatch.summary import Quality, group_changes, rows_of, summarise_by_depth
from llamaproof.dispatch.terminal import TOKEN_GROUPS, by_row, split_by_tokens, summary_text
from llamaproof.ggml import GgmlType
from llamaproof.placement.outcome import CellOutcome
from llamaproof.placement.survey import ESTIMATES, DispatchEvidence, GpuReport

# The two lengths of ubatch a picture shows: a decode step and a prompt.
PICTURED_TOKENS = (1, 512)

_COLOURS = {
    "mma": "#2166ac",
    "wmma": "#67a9cf",
    "tile": "#5aae61",
    "vec": "#a6dba0",
    "unknown": "#998ec3",
    "cpu": "#f4a582",
    "abort": "#67001f",
}
_LEGEND = (
    ("mma", "tensor cores (mma)"),
    ("wmma", "tensor cores (wmma, Volta)"),
    ("tile", "tile kernel"),
    ("vec", "vector kernel"),
    ("unknown", "a kernel of unknown design"),
    ("cpu", "falls back to the CPU"),
    ("abort", "aborts"),
)
_DARK = {"mma", "abort"}
_QUALITY_CLASS: dict[Quality, str] = {
    "good": "good",
    "mixed": "mixed",
    "cpu": "cpu",
    "abort": "abort",
}

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
       color: #1b1b1b; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-size: 13px; }
td, th { border: 1px solid #ddd; padding: .2rem .5rem; text-align: left; vertical-align: top; }
code { font-size: 12px; } svg { max-width: 100%; height: auto; display: block; margin: .6rem 0; }
.good { background: #e5f5e0; } .mixed { background: #fff3cd; }
.cpu { background: #fde0d2; } .abort { background: #f4c7c7; font-weight: 600; }
.key span { display: inline-block; margin-right: 1.2rem; }
.key i { display: inline-block; width: .9em; height: .9em; margin-right: .4em;
         vertical-align: -.1em; }
"""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Another target's evidence and what changed since."""

    against: DispatchEvidence
    changes: tuple[Change, ...]


def render(
    evidence: DispatchEvidence,
    *,
    requirements: Sequence[Requirement] = (),
    failures: Sequence[Unmet] = (),
    comparison: Comparison | None = None,
) -> str:
    """The page."""
    parts = fragment(evidence, requirements=requirements, failures=failures, comparison=comparison)
    title = f"Where flash attention runs: {evidence.target}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1>{parts}</body></html>\n"
    )


def fragment(
    evidence: DispatchEvidence,
    *,
    requirements: Sequence[Requirement] = (),
    failures: Sequence[Unmet] = (),
    comparison: Comparison | None = None,
) -> str:
    """What the page says, as part of a page that has `STYLE`."""
    parts = [
        _facts(evidence),
        _verdicts(requirements, failures) if requirements else "",
        _comparison(evidence, comparison) if comparison is not None else "",
        _pictures(evidence),
        *(_gpu_section(evidence, report) for report in evidence.reports),
    ]
    return "".join(parts)


def _facts(evidence: DispatchEvidence) -> str:
    played = any(report.shadow for report in evidence.reports)
    facts = [
        ("version", evidence.version or "not stated"),
        ("sha256", evidence.sha256 or "no wheel"),
        ("CUDA", str(evidence.cuda)),
        ("GPUs", ", ".join(f"{r.gpu} (sm_{r.sm})" for r in evidence.reports)),
        ("cells", f"{len(evidence.cells)} on each GPU"),
        (
            "how",
            "the libraries themselves, unchanged, on a stand-in for the CUDA runtime that plays "
            "these cards, executes nothing and records every launch"
            if played
            else "the libraries themselves on a real GPU",
        ),
    ]
    if evidence.estimated_gpus:
        cards = ", ".join(evidence.estimated_gpus)
        facts.append(("estimates", f"{cards}: the target {ESTIMATES}"))
    cells = "".join(f"<tr><th>{k}</th><td>{escape(v)}</td></tr>" for k, v in facts)
    return f"<table>{cells}</table>"


def _verdicts(requirements: Sequence[Requirement], failures: Sequence[Unmet]) -> str:
    lines = []
    for requirement in requirements:
        failed = [u for u in failures if u.requirement == requirement]
        word, style = ("does not hold", "abort") if failed else ("holds", "good")
        first = f"{failed[0].gpu}: {failed[0].cell}: {failed[0].outcome.text}" if failed else ""
        more = f" (and {len(failed) - 1} more cells)" if len(failed) > 1 else ""
        lines.append(
            f'<tr><td><code>{escape(requirement.text)}</code></td><td class="{style}">{word}</td>'
            f"<td>{escape(first + more)}</td></tr>"
        )
    return f"<h2>Required</h2><table>{''.join(lines)}</table>"


def _comparison(evidence: DispatchEvidence, comparison: Comparison) -> str:
    head = "".join(
        f"<th>{name}</th>"
        for name in ("", "GPU", "head sizes, K/V", "ratios", "tokens", "before", "after", "cells")
    )
    style = {"worse": "abort", "better": "good", "different": "mixed", "same": ""}
    lines = [
        f'<tr><td class="{style[g.verdict]}">{g.verdict}</td><td>{escape(g.gpu)}</td>'
        f"<td>{escape(str(g.row))}</td><td>{escape(g.ratios)}</td>"
        f"<td>{','.join(map(str, g.n_tokens))}</td><td>{escape(g.before)}</td>"
        f"<td>{escape(g.after)}</td><td>{g.count}</td></tr>"
        for g in group_changes(comparison.changes, evidence.cells)
    ]
    title = f"<h2>Compared with {escape(comparison.against.target)}</h2>"
    if not lines:
        return f"{title}<p>No cell differs.</p>"
    return f"{title}<table><tr>{head}</tr>{''.join(lines)}</table>"


def _pictures(evidence: DispatchEvidence) -> str:
    heads = sorted({cell.heads for cell in evidence.cells}, key=lambda h: (-h.k, -h.v))
    used: set[str] = set()
    pictures = []
    for pair in heads:
        picture = _picture(evidence, pair, used)
        if picture:
            pictures.append(f"<h3>{pair}, f16</h3>{picture}")
    key = "".join(
        f'<span><i style="background:{_COLOURS[name]}"></i>{text}</span>'
        for name, text in _LEGEND
        if name in used
    )
    return (
        "<h2>Kernel by ratio and GPU</h2>"
        "<p>Each square is one ratio of query heads to KV heads, with a causal mask and n_kv "
        f"{SHALLOW}. The number is how many heads share a tile of K (ncols2); a bar at the foot "
        "is the share of columns that do real work, where it is not all. Point at a square for "
        f'the kernel.</p><p class="key">{key}</p>{"".join(pictures)}'
    )


def _picture(evidence: DispatchEvidence, heads: HeadSizes, used: set[str]) -> str:
    """A row for each GPU and length of ubatch, a column for each ratio."""
    cells = {
        (cell.n_tokens, cell.ratio): cell
        for cell in evidence.cells
        if cell.heads == heads
        and cell.extras == PLAIN
        and cell.type_k == cell.type_v == GgmlType.F16
        and cell.n_kv == SHALLOW
    }
    ratios = sorted({ratio for _, ratio in cells})
    lines = [(r, t) for r in evidence.reports for t in PICTURED_TOKENS]
    side, left, top = 22, 170, 20
    parts = [
        f'<text x="{left + side * i + side / 2}" y="{top - 6}" text-anchor="middle">{ratio}</text>'
        for i, ratio in enumerate(ratios)
    ]
    for row, (report, n_tokens) in enumerate(lines):
        y = top + row * side
        words = f"{report.gpu}, {n_tokens} token{'s' if n_tokens > 1 else ''}"
        parts.append(f'<text x="{left - 6}" y="{y + 15}" text-anchor="end">{escape(words)}</text>')
        for column, ratio in enumerate(ratios):
            cell = cells.get((n_tokens, ratio))
            if cell is not None:
                outcome = report.outcomes[cell]
                used.add(_colour_name(outcome))
                parts.append(_square(report, cell, outcome, left + column * side, y, side))
    width, height = left + side * len(ratios) + 4, top + side * len(lines) + 4
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="10" role="img" '
        f'aria-label="kernel by ratio and GPU for head sizes {heads}">{"".join(parts)}</svg>'
        if ratios
        else ""
    )


def _square(
    report: GpuReport, cell: Cell, outcome: CellOutcome, x: float, y: float, side: float
) -> str:
    name = _colour_name(outcome)
    label, bar = "", ""
    if outcome.use is not None:
        label = str(outcome.use.kernel.ncols2 or "?")
        if outcome.use.real_share < 1:
            width = (side - 4) * outcome.use.real_share
            bar = (
                f'<rect x="{x + 1}" y="{y + side - 5}" width="{width:.1f}" height="2" '
                f'fill="#ffd92f"/>'
            )
    ink = "#fff" if name in _DARK else "#222"
    title = escape(f"{report.gpu}, {cell}: {outcome.text}")
    return (
        f'<g><title>{title}</title><rect x="{x}" y="{y}" width="{side - 2}" height="{side - 2}" '
        f'fill="{_COLOURS[name]}"/>{bar}<text x="{x + side / 2 - 1}" y="{y + 13}" fill="{ink}" '
        f'text-anchor="middle">{label}</text></g>'
    )


def _colour_name(outcome: CellOutcome) -> str:
    return outcome.use.kernel.family if outcome.use is not None else outcome.kind


def _gpu_section(evidence: DispatchEvidence, report: GpuReport) -> str:
    outcomes = by_row(report)
    head = "".join(f"<th>{label}</th>" for label, _ in TOKEN_GROUPS)
    lines = []
    for row in rows_of(evidence.cells):
        columns = []
        for group in split_by_tokens(outcomes[row].items()):
            if not group:
                columns.append("<td>-</td>")
                continue
            summary = summarise_by_depth(group)
            style = _QUALITY_CLASS[summary.quality]
            columns.append(f'<td class="{style}">{escape(summary_text(summary))}</td>')
        lines.append(f"<tr><th>{escape(str(row))}</th>{''.join(columns)}</tr>")
    return (
        f"<h2>{escape(report.gpu)} (sm_{report.sm})</h2>"
        f"<table><tr><th>head sizes, K/V</th>{head}</tr>{''.join(lines)}</table>"
        f"{_aborts(report)}"
    )


def _aborts(report: GpuReport) -> str:
    counts: dict[str, int] = {}
    for outcome in report.outcomes.values():
        if outcome.kind == "abort":
            counts[outcome.message] = counts.get(outcome.message, 0) + 1
    if not counts:
        return ""
    lines = "".join(
        f"<li>{number} cells: <code>{escape(message)}</code></li>"
        for message, number in counts.items()
    )
    return f"<p>What was printed where it aborts:</p><ul>{lines}</ul>"
