"""The report of a record: verdict, pictures, tables, as HTML and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from llamaproof.bench.by_length import (
    RATIO_LEGEND,
    ceiling_table,
    cost_table,
    metrics_of,
    ratio_table,
)
from llamaproof.bench.cost_ratios import PointRatio, point_ratio_table, point_ratios, summary_line
from llamaproof.bench.gate import Rule, RuleVerdict
from llamaproof.bench.plots import plots_of
from llamaproof.bench.record import MODELLED, SECONDS, Record, Unit
from llamaproof.errors import LlamaproofError
from llamaproof.files import write_whole
from llamaproof.reports.blocks import (
    Block,
    Heading,
    Paragraph,
    Picture,
    Table,
    pictures,
)
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.pages import to_html, to_markdown

NAME = "bench"
_COUNTED = (Outcome.HOLDS, Outcome.DEFECT, Outcome.NOT_CHECKED, Outcome.NOTED)
_MODEL = (
    "The time given with counts is a model: the lower bound that instructions, matrix operations "
    "and bytes leave on this card. Nothing was timed."
)


def write_report(record: Record, verdicts: Sequence[RuleVerdict] | None, folder: Path) -> Path:
    """Write `bench.html`, `bench.md` and the pictures the latter links to.

    Args:
        verdicts: of the gate; None where nothing was judged.
    Returns:
        the HTML page.

    Raises:
        LlamaproofError: the folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LlamaproofError(f"cannot make the folder: {error.strerror}", where=folder) from error
    blocks = list(blocks_of(record, verdicts))
    for picture in pictures(blocks):
        write_whole(folder / f"{picture.name}.svg", _standalone(picture.svg))
    write_whole(folder / f"{NAME}.md", to_markdown(blocks))
    page = folder / f"{NAME}.html"
    write_whole(page, to_html(blocks))
    return page


def blocks_of(record: Record, verdicts: Sequence[RuleVerdict] | None) -> Iterator[Block]:
    """The report, block by block."""
    yield Heading(text=f"Attention by context length: {record.targets[0].name}", level=1)
    yield from _facts(record)
    yield Heading(text="Verdict")
    if verdicts is None:
        yield Paragraph(text="Nothing was judged in this run.")
    else:
        yield from _verdict(record, verdicts)
    yield Heading(text="Pictures")
    for plot in plots_of(record):
        yield Picture(name=plot.name, caption=plot.caption, svg=plot.svg)
    yield Heading(text="Tables")
    yield from tables_of(record)
    for title, found in comparisons_of(record):
        yield point_ratio_table(found, title)
    yield from _without_result(record)


def tables_of(record: Record, *, without: Sequence[str] = ()) -> Iterator[Table]:
    """Costs, distance from the ceilings, and targets compared, by context length.

    Args:
        without: kinds of cost that are left out.
    """
    metrics = [m for m in metrics_of(record) or [SECONDS] if m not in without]
    for index, target in enumerate(record.targets):
        for metric in metrics:
            title = f"{target.name}: {_unit(record, metric)} per layer by n_kv"
            yield cost_table(record, index, metric, title)
        if record.ceilings is not None:
            title = f"{target.name}: share of the ceiling (b bytes, f arithmetic)"
            yield ceiling_table(record, index, title)
    for index in range(1, len(record.targets)):
        names = f"{record.targets[0].name} against {record.targets[index].name}"
        for metric in metrics:
            title = f"{names}, {metric.replace('_', ' ')}: {RATIO_LEGEND}"
            yield ratio_table(record, 0, index, metric, title)


def comparisons_of(record: Record) -> Iterator[tuple[str, list[PointRatio]]]:
    """What the first target's cost comes to against each other's; time, or work as a whole."""
    metric = MODELLED if record.unit == "counted work" else SECONDS
    for index in range(1, len(record.targets)):
        names = f"{record.targets[0].name} against {record.targets[index].name}"
        found = point_ratios(record, 0, index, metric)
        yield f"{names}, {metric.replace('_', ' ')}: {summary_line(found)}", found


def _unit(record: Record, metric: str) -> str:
    if metric == SECONDS:
        return f"{record.unit}, in microseconds,"
    return metric.replace("_", " ")


def _facts(record: Record) -> Iterator[Block]:
    machine = record.machine
    rows = [
        ["measured", f"{record.unit}, {record.created}"],
        ["device", machine.device],
        ["machine", f"{machine.cpu}, {machine.cpu_count} CPUs, {machine.system}"],
    ]
    if machine.gpu is not None:
        gpu = machine.gpu
        rows.append(
            ["GPU", f"{gpu.name}, sm_{gpu.sm}, {gpu.multiprocessors} multiprocessors, "
                    f"{gpu.l2_bytes >> 20} MiB of L2, driver {machine.driver_version}"]
        )  # fmt: skip
        rows.append(["clocks", _clocks(record)])
    if record.ceilings is not None:
        rows.append(["ceilings", _ceilings(record)])
    elif record.ceilings_missing:
        rows.append(["ceilings", f"not measured: {record.ceilings_missing}"])
    for target in record.targets:
        role = f" as {target.role}" if target.role else ""
        known_by = target.sha256 or ", ".join(
            f"{name} {digest[:12]}" for name, digest in target.libraries.items()
        )
        rows.append([f"target{role}", f"{target.name} ({known_by})"])
        if target.series:
            rows.append([f"series{role}", f"{', '.join(target.series)} (tree {target.tree[:12]})"])
    yield Table(head=["", ""], rows=rows)
    if record.unit == "counted work":
        yield Paragraph(text=_MODEL)
    if not record.complete:
        yield Paragraph(text="The run ended before all cells were measured.")


def _clocks(record: Record) -> str:
    if record.machine.clocks_missing:
        return f"not sampled: {record.machine.clocks_missing}"
    seen = [r.clock.sm_mhz for x in record.results for r in x.rounds if r.clock is not None]
    dropped = sum(result.dropped for result in record.results)
    if not seen:
        return "not sampled"
    return f"SM {min(seen)} to {max(seen)} MHz under load; {dropped} rounds dropped as throttled"


def _ceilings(record: Record) -> str:
    ceilings = record.ceilings
    assert ceilings is not None
    gemm = ceilings.gemm_flop_per_s
    return f"copy {ceilings.copy_bytes_per_s / 1e12:.2f} TB/s read and written; f16 GEMM " + (
        f"{gemm / 1e12:.0f} TFLOP/s" if gemm is not None else f"unknown ({ceilings.gemm_missing})"
    )


def _limit(rule: Rule, unit: Unit) -> str:
    if math.isinf(rule.at_most):
        return ""
    if unit != "counted work" or rule.figure_at_most == rule.at_most:
        return f"{rule.at_most:g}"
    return f"{rule.at_most:g} (a figure {rule.figure_at_most:g})"


def _verdict(record: Record, verdicts: Sequence[RuleVerdict]) -> Iterator[Block]:
    yield Table(
        head=[
            "rule",
            "at most",
            "outcome",
            "held",
            "failed",
            "not checked",
            "noted",
            "why this rule",
        ],
        rows=[
            [
                v.rule.name,
                _limit(v.rule, record.unit),
                v.outcome.value,
                *(str(v.count(outcome)) for outcome in _COUNTED),
                v.rule.reason,
            ]
            for v in verdicts
        ],
        tones=[v.outcome.tone for v in verdicts],
    )
    for verdict in verdicts:
        found = [f for f in verdict.findings if f.outcome is not Outcome.HOLDS]
        found.sort(key=lambda f: (_COUNTED.index(f.outcome), -f.value))
        if found:
            yield Heading(text=verdict.rule.name, level=3)
            yield Table(
                head=["outcome", "what was found"],
                rows=[[f.outcome.value, f.text] for f in found],
                tones=[f.outcome.tone for f in found],
            )


def _without_result(record: Record) -> Iterator[Block]:
    rows = [
        [record.targets[r.target].name, str(r.point), r.status, r.reason]
        for r in record.results
        if r.status != "measured"
    ]
    if rows:
        yield Heading(text="Cells without a cost", level=3)
        yield Table(head=["target", "cell", "status", "reason"], rows=rows)


def _standalone(svg: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?>\n{svg}\n'
