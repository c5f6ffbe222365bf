"""`llamaproof bench`: measure, compare, check and judge attention by context length."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llamaproof.bench import record as records
from llamaproof.bench.check import CheckResult
from llamaproof.bench.gate import Gate, RuleVerdict, judge, load_gate, outcome_of
from llamaproof.bench.gate_input import evidence_of, kept_records
from llamaproof.bench.left_out import left_out_lines
from llamaproof.bench.measurers import Measurers
from llamaproof.bench.options import add_options, points_of, role_of
from llamaproof.bench.points import Point
from llamaproof.bench.record import Record
from llamaproof.bench.report import write_report
from llamaproof.bench.run import Limits, Run
from llamaproof.bench.targets import Named, new_record, resumed
from llamaproof.bench.terminal import print_record, print_verdicts
from llamaproof.bench.worker import Hello, Setup
from llamaproof.errors import BadInput
from llamaproof.reports.outcome import Outcome, worst
from llamaproof.reports.printer import Printer
from llamaproof.reports.progress import progress
from llamaproof.spread.options import carrier_at
from llamaproof.target import Target, open_target

if TYPE_CHECKING:
    from llamaproof import shadow

# A check of more cells prints the wrong ones and a summary.
_LINES_IN_FULL = 40


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = "Measures FLASH_ATTN_EXT of a target's own libggml by context length."
    add_options(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Run the command; the exit code says what was found."""
    baselines = [records.load(path) for path in args.baseline]
    gate = _gate(args)
    if args.record is not None:
        record = records.load(args.record)
        print_record(record, Printer())
        return _conclude(args, record, gate, baselines).exit_code
    if args.target is None:
        raise BadInput("no target was given", hint="give a wheel or folder, or --from a record")
    if args.dask is not None and (args.on != "emulator" or args.check):
        raise BadInput(
            "--dask spreads what is counted on the emulator",
            hint="give --on emulator: time is measured on this machine alone",
        )
    deadline = time.monotonic() + args.time_limit if args.time_limit is not None else None
    points = points_of(args)
    with contextlib.ExitStack() as held:
        targets = _opened(args, held)
        carrier = held.enter_context(carrier_at(args.dask))
        measurers = Measurers(_setups(args, targets), carrier, held)
        record = _record(args, targets, measurers.hellos, points)
        print(_describe(record), flush=True)
        with progress("bench", len(points)) as tell:
            run = Run(
                start=measurers.start,
                record=record,
                workers=measurers.workers,
                limits=Limits(deadline=deadline, cell_s=args.cell_limit),
                save_to=args.json or args.resume,
                tell=measurers.begin(record, points, tell),
            )
            if args.check:
                return _check(run, record, points, args.json).exit_code
            interrupted = _measure(run, points)
        print_record(record, Printer())
        outcomes = [_conclude(args, record, gate, baselines)]
        if interrupted:
            outcomes.append(Outcome.NOT_CHECKED)
        return worst(outcomes).exit_code


def _opened(args: argparse.Namespace, held: contextlib.ExitStack) -> list[Named]:
    opened = []
    for text in (args.target, *args.against):
        role, spec = role_of(text)
        target = held.enter_context(open_target(spec))
        opened.append(Named(target=target, role=role or target.version))
    return opened


def _setups(args: argparse.Namespace, targets: Sequence[Named]) -> list[Setup]:
    return [
        Setup(
            target=named.target,
            where=args.on,
            n_threads=args.threads,
            kv_layout=None if _shows_layout(named.target) else args.kv_layout,
            emulated=_card(args),
        )
        for named in targets
    ]


def _shows_layout(target: Target) -> bool:
    return any(path.name.startswith("libllama.") for path in target.libraries)


def _card(args: argparse.Namespace) -> shadow.Gpu | None:
    if args.on != "emulator":
        return None
    # Imported where it is needed: timing on a GPU does without what the stand-ins bring along.
    from llamaproof import shadow

    return shadow.find_gpu(args.gpu)


def _record(
    args: argparse.Namespace,
    targets: Sequence[Named],
    hellos: Sequence[Hello],
    points: tuple[Point, ...],
) -> Record:
    """The record to fill: a new one, or the one to go on with."""
    record = new_record(args.on, targets, hellos)
    if args.resume is not None:
        record = resumed(args.resume, record)
    record.requested = tuple(dict.fromkeys((*record.requested, *points)))
    save_to = args.json or args.resume
    if save_to is not None:
        record.save(save_to)  # a place that cannot be written to shows before the work
    return record


def _conclude(
    args: argparse.Namespace, record: Record, gate: Gate | None, baselines: Sequence[Record]
) -> Outcome:
    """Judge and report what was measured; without a gate there is nothing to fail."""
    verdicts: tuple[RuleVerdict, ...] | None = None
    if gate is not None and record.unit == "host seconds":
        print("\nnot judged: host time of the CPU backend says nothing of a GPU (--no-gate)")
    elif gate is not None:
        verdicts = _judge(gate, record, baselines)
    if args.report is not None:
        print(f"report: {write_report(record, verdicts, args.report)}")
    return Outcome.HOLDS if gate is None else outcome_of(verdicts or ())


def _measure(run: Run, points: Sequence[Point]) -> bool:
    """Measure; whether an interrupt ended it early."""
    try:
        run.measure_ceilings()
        run.measure(points)
    except KeyboardInterrupt:
        print("\ninterrupted: what follows is what there is", file=sys.stderr)
        return True
    return False


def _judge(gate: Gate, record: Record, baselines: Sequence[Record]) -> tuple[RuleVerdict, ...]:
    verdicts = judge(gate, evidence_of(record, baselines, kept_records(record.unit)))
    print()
    print_verdicts(verdicts, record.requested, Printer())
    if record.unit == "counted work":
        print("\n".join(left_out_lines(record.requested)))
    return verdicts


def _gate(args: argparse.Namespace) -> Gate | None:
    if args.no_gate:
        return None
    gate = load_gate(args.gate)
    return gate.only(args.judge) if args.judge is not None else gate


def _check(run: Run, record: Record, points: Sequence[Point], save_to: Path | None) -> Outcome:
    outcomes: list[tuple[int, Point, CheckResult | str]] = []
    brief = len(points) * len(record.targets) > _LINES_IN_FULL
    try:
        for target, point, result in run.check(points):
            outcomes.append((target, point, result))
            if not (brief and isinstance(result, CheckResult) and result):
                print(_check_line(record, target, point, result), flush=True)
    except KeyboardInterrupt:
        print("interrupted: what follows is what there is", file=sys.stderr)
    record.checks = [_check_to_json(*outcome) for outcome in outcomes]
    if save_to is not None:
        record.save(save_to)
    for target in range(len(record.targets)):
        print(_check_summary(record, target, outcomes, len(points)))
    found = [_check_outcome(result) for _, _, result in outcomes]
    if len(found) < len(points) * len(record.targets):
        found.append(Outcome.NOT_CHECKED)
    return worst(found)


def _check_outcome(result: CheckResult | str) -> Outcome:
    if isinstance(result, str):
        return Outcome.NOT_CHECKED
    return Outcome.HOLDS if result else Outcome.DEFECT


def _check_line(record: Record, target: int, point: Point, result: CheckResult | str) -> str:
    name = f"  [{record.targets[target].name}]" if len(record.targets) > 1 else ""
    if isinstance(result, str):
        return f"no result  {point}  {result}{name}"
    return f"{'right' if result else 'WRONG'}  {point}  {_figures(result)}{name}"


def _check_summary(
    record: Record,
    target: int,
    outcomes: Sequence[tuple[int, Point, CheckResult | str]],
    total: int,
) -> str:
    results = [r for t, _, r in outcomes if t == target]
    checked = [r for r in results if isinstance(r, CheckResult)]
    right = [r for r in checked if r]
    largest = max((r.device_exact for r in checked), default=float("nan"))
    worst = max((r.worst_row for r in checked), default=float("nan"))
    return (
        f"{record.targets[target].name}: {len(right)} of {total} cells right, "
        f"{len(checked) - len(right)} wrong, {total - len(checked)} without a result; "
        f"largest nmse {largest:.1e}, of a row {worst:.1e}"
    )


def _check_to_json(target: int, point: Point, result: CheckResult | str) -> dict[str, Any]:
    found = {"reason": result} if isinstance(result, str) else result.to_json()
    return {"target": target, "cell": point.to_json(), **found}


def _figures(result: CheckResult) -> str:
    notes = "" if result.finite else " NOT FINITE"
    notes += "" if result.repeats else " NOT REPEATABLE"
    notes += ", right where the cpu is wrong" if result.right_where_the_cpu_is_wrong else ""
    return (
        f"nmse {result.device_exact:.1e}, cpu {result.device_cpu:.1e} "
        f"(cpu itself {result.cpu_exact:.1e}), row {result.worst_row:.1e}, "
        f"tokens {result.tokens}{notes}"
    )


def _describe(record: Record) -> str:
    machine = record.machine
    lines = [f"measuring {record.unit} on {machine.device}"]
    if machine.clocks_missing:
        lines.append(f"clocks are not sampled: {machine.clocks_missing}")
    lines += [f"{t.name}: ggml {t.ggml_version}, {t.kv_layout}" for t in record.targets]
    return "\n".join(lines)
