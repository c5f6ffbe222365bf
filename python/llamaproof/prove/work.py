"""The proof that attention does no more work than it should: the gate on exact counts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from llamaproof import shadow
from llamaproof.abi.device import DeviceCode
from llamaproof.bench.gate import RuleVerdict, judge, load_gate, outcome_of
from llamaproof.bench.gate_input import evidence_of, kept_records
from llamaproof.bench.left_out import left_out_lines
from llamaproof.bench.measurers import Measurers
from llamaproof.bench.points import Point, Selection, select_emulated
from llamaproof.bench.record import Record, usable_cpus
from llamaproof.bench.report import blocks_of
from llamaproof.bench.run import Limits, Run
from llamaproof.bench.targets import Named, new_record
from llamaproof.bench.terminal import print_verdicts
from llamaproof.bench.worker import Setup
from llamaproof.prove.section import Section
from llamaproof.reports.blocks import Block, Paragraph
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.printer import Printer
from llamaproof.reports.progress import progress
from llamaproof.spread.carrier import HERE, Carrier
from llamaproof.target import open_target

NAME = "work"
TITLE = "Attention does no more work than it should"


def proof_points() -> tuple[Point, ...]:
    """The cells whose work is counted: those that the kept counts of published releases have.

    Beside them a step of four sequences that each have a cache: what holds for one must not grow
    faster for several.
    """
    several = Selection(n_streams=(4,), tokens=(1,), n_kv=(1024, 2048, 4096), gqa_ratios=(4, 20))
    return (*select_emulated(Selection()), *select_emulated(several))


def prove_work(
    wheel: Path, code: DeviceCode, gpu: shadow.Gpu, printer: Printer, carrier: Carrier = HERE
) -> Section:
    """Count the work of the cells on a card and judge it by the gate.

    Raises:
        LlamaproofError: the wheel's libraries could not be loaded, or the gate not be read.
    """
    if not code.runs_on(gpu.sm):
        return Section(
            name=NAME,
            title=TITLE,
            outcome=Outcome.NOT_CHECKED,
            words=f"the gate judges counts for the {gpu.name} (sm_{gpu.sm}), which the wheel "
            "has no code for; leave it out with --without work",
        )
    record = count(wheel, gpu, proof_points(), carrier)
    verdicts = judge(load_gate(), evidence_of(record, (), kept_records(record.unit)))
    print_verdicts(verdicts, record.requested, printer)
    for line in left_out_lines(record.requested):
        printer.line(line)
    return Section(
        name=NAME,
        title=TITLE,
        outcome=outcome_of(verdicts),
        words=_words(gpu, record, verdicts),
        document={
            "gpu": gpu.name,
            "sm": gpu.sm,
            "verdicts": [_verdict_json(verdict) for verdict in verdicts],
            "left_out": list(left_out_lines(record.requested)),
            "record": record.to_json(),
        },
        blocks=tuple(_blocks(record, verdicts)),
    )


def count(wheel: Path, gpu: shadow.Gpu, points: Sequence[Point], carrier: Carrier = HERE) -> Record:
    """Count the work of cells on an emulated card.

    Raises:
        LlamaproofError: the wheel's libraries cannot be loaded.
    """
    with contextlib.ExitStack() as held:
        target = held.enter_context(open_target(str(wheel)))
        setup = Setup(target=target, where="emulator", n_threads=usable_cpus(), emulated=gpu)
        tell = held.enter_context(progress("work", len(points)))
        measurers = Measurers([setup], carrier, held)
        named = [Named(target=target, role=target.version)]
        record = new_record("emulator", named, measurers.hellos)
        record.requested = tuple(points)
        run = Run(
            start=measurers.start,
            record=record,
            workers=measurers.workers,
            limits=Limits(),
            tell=measurers.begin(record, points, tell),
        )
        run.measure(points)
    return record


def _words(gpu: shadow.Gpu, record: Record, verdicts: Sequence[RuleVerdict]) -> str:
    measured = sum(result.status == "measured" for result in record.results)
    by_outcome = (
        f"{outcome.value}: {', '.join(names)}"
        for outcome in Outcome
        if (names := [v.rule.name for v in verdicts if v.outcome is outcome])
    )
    return f"{measured} of {len(record.requested)} cells counted for {gpu.name}; " + "; ".join(
        by_outcome
    )


def _verdict_json(verdict: RuleVerdict) -> dict[str, Any]:
    return {
        "rule": verdict.rule.name,
        "outcome": verdict.outcome.value,
        "reason": verdict.rule.reason,
        "held": verdict.count(Outcome.HOLDS),
        "failed": verdict.count(Outcome.DEFECT),
        "not_checked": verdict.count(Outcome.NOT_CHECKED),
        "noted": verdict.count(Outcome.NOTED),
        "findings": [
            {"outcome": finding.outcome.value, "text": finding.text}
            for finding in verdict.findings
            if finding.outcome is not Outcome.HOLDS
        ],
    }


def _blocks(record: Record, verdicts: Sequence[RuleVerdict]) -> Iterator[Block]:
    yield from (Paragraph(text=line.strip()) for line in left_out_lines(record.requested))
    yield from blocks_of(record, verdicts)
