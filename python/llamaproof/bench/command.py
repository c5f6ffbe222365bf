"""`llamaproof bench`: measure, compare, check and judge attention by context length."""

from __future__ import annotations

import argparse
import contextlib
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from llamaproof.bench import record as records
from llamaproof.bench import table
from llamaproof.bench.cells import N_KV, TOKENS, Cell, Selection, select
from llamaproof.bench.check import CheckResult
from llamaproof.bench.evidence import evidence_of
from llamaproof.bench.gate import DEFAULT_GATE, Gate, RuleVerdict, exit_code, judge, load_gate
from llamaproof.bench.record import Machine, Record, TargetInfo
from llamaproof.bench.report import tables_of, write_report
from llamaproof.bench.run import Limits, Run
from llamaproof.bench.verdict import verdict_lines
from llamaproof.bench.worker import Hello, Where, Worker
from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED, BadInput
from llamaproof.ggml import KvLayout
from llamaproof.target import Target, open_target, sha256_of

# A check of more cells prints the wrong ones and a summary.
_LINES_IN_FULL = 40


def configure_parser(subparsers: Any) -> None:
    """Add `bench`."""
    parser = subparsers.add_parser(
        "bench",
        help="measure attention by context length, and judge it",
        description="Measures FLASH_ATTN_EXT of a target's own libggml by context length.",
    )
    parser.add_argument("target", help="a wheel, `installed`, or a folder of libraries")
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="[ROLE=]TARGET",
        help="measured interleaved; the gate knows the roles 0.3.16 (stock) and 0.3.36, which a "
        "wheel or package of that version has by itself",
    )
    parser.add_argument(
        "--baseline",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a kept record to judge against, also for roles it holds",
    )
    parser.add_argument("--on", choices=("gpu", "cpu"), default="gpu", help="the backend to time")
    parser.add_argument(
        "--check", action="store_true", help="compare results with the CPU backend and float64"
    )
    parser.add_argument("--time-limit", type=float, metavar="S", help="seconds in all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write a report here")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="go on with this record")
    parser.add_argument(
        "--kv-layout",
        choices=get_args(KvLayout),
        help="where the release's graph puts a latent V, for folders without the libllama that "
        "shows it: v_separate up to 0.3.16, v_first_of_k from 0.3.17 on",
    )
    parser.add_argument("--threads", type=int, default=records.usable_cpus(), help="of the CPU")
    gate = parser.add_argument_group("gate")
    gate.add_argument("--gate", type=Path, default=DEFAULT_GATE, metavar="FILE", help="the rules")
    gate.add_argument("--judge", type=_words, metavar="RULES", help="judge only these rules")
    gate.add_argument("--no-gate", action="store_true", help="measure, judge nothing")
    cells = parser.add_argument_group("cells")
    cells.add_argument("--head-sizes", type=_head_sizes, metavar="576/512,128/128")
    cells.add_argument("--gqa", type=_numbers, metavar="16,20", help="GQA ratios")
    cells.add_argument("--tokens", type=_numbers, metavar=",".join(map(str, TOKENS)))
    cells.add_argument("--n-kv", type=_lengths, metavar="1K-128K", help="a range or a list")
    cells.add_argument("--kv", type=_words, metavar="f16,q8_0", help="K/V types")
    cells.add_argument("--kv-heads", type=int, metavar="N", help="K/V heads, for every shape")
    cells.add_argument("--no-prompts", action="store_true", help="leave out whole prompts")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Run the command; the exit code says what was found."""
    started = time.monotonic()
    deadline = started + args.time_limit if args.time_limit is not None else None
    cells = select(
        Selection(
            head_sizes=args.head_sizes,
            gqa_ratios=args.gqa,
            tokens=args.tokens,
            n_kv=args.n_kv,
            kv_types=args.kv,
            n_kv_heads=args.kv_heads,
            prompts=not (args.no_prompts or args.check),
        )
    )
    if not cells:
        raise BadInput("no cells are left to measure", hint="widen --gqa, --tokens or --n-kv")
    with contextlib.ExitStack() as held:
        named = [_role_of(text) for text in (args.target, *args.against)]
        targets = [held.enter_context(open_target(spec)) for _, spec in named]
        roles = [role or target.version for (role, _), target in zip(named, targets, strict=True)]
        baselines = [records.load(path) for path in args.baseline]
        gate = _gate(args)

        def layout_of(index: int) -> KvLayout | None:
            shown = any(p.name.startswith("libllama.") for p in targets[index].libraries)
            return None if shown else args.kv_layout

        def start(index: int) -> Worker:
            worker = Worker(
                targets[index], args.on, n_threads=args.threads, kv_layout=layout_of(index)
            )
            held.callback(worker.end)
            return worker

        workers = [start(index) for index in range(len(targets))]
        record = _new_record(args.on, targets, roles, [w.hello for w in workers])
        if args.resume is not None:
            record = _resumed(args.resume, record)
        record.requested = cells
        save_to = args.json or args.resume
        if save_to is not None:
            record.save(save_to)  # a place that cannot be written to shows before the work
        run = Run(
            start=start,
            record=record,
            workers=workers,
            limits=Limits(deadline=deadline),
            save_to=save_to,
            progress=_Progress(started, deadline),
        )
        print(_describe(record), flush=True)
        if args.check:
            code = _check(run, record, cells)
            if args.json is not None:
                record.save(args.json)
            return code
        interrupted = _measure(run, record, cells, args.on)
        print(_tables(record))
        return _conclude(args, record, gate, baselines, interrupted)


def _conclude(
    args: argparse.Namespace,
    record: Record,
    gate: Gate | None,
    baselines: Sequence[Record],
    interrupted: bool,
) -> int:
    """Judge and report what was measured; the exit code."""
    verdicts: tuple[RuleVerdict, ...] | None = None
    if gate is not None and record.unit == "host seconds":
        print("\nnot judged: host time of the CPU backend says nothing of a GPU (--no-gate)")
    elif gate is not None:
        verdicts = _judge(gate, record, baselines)
    if args.report is not None:
        print(f"report: {write_report(record, verdicts, args.report)}")
    if gate is None:
        return NOT_CHECKED if interrupted else HOLDS
    return exit_code(verdicts or ())


def _measure(run: Run, record: Record, cells: Sequence[Cell], where: Where) -> bool:
    """Measure; whether an interrupt ended it early."""
    try:
        if where == "gpu" and record.ceilings is None:
            record.ceilings = run.workers[0].ceilings()
        run.measure(cells)
    except KeyboardInterrupt:
        print("\ninterrupted: what follows is what there is", file=sys.stderr)
        return True
    return False


def _judge(gate: Gate, record: Record, baselines: Sequence[Record]) -> tuple[RuleVerdict, ...]:
    verdicts = judge(gate, evidence_of(record, baselines))
    print()
    for line in verdict_lines(verdicts, record.requested):
        print(line)
    return verdicts


def _gate(args: argparse.Namespace) -> Gate | None:
    if args.no_gate:
        return None
    gate = load_gate(args.gate)
    return gate.only(args.judge) if args.judge is not None else gate


def _role_of(text: str) -> tuple[str | None, str]:
    """`0.3.16=folder` in its parts; a path that exists is never taken apart."""
    role, separator, spec = text.partition("=")
    if not separator or Path(text).exists():
        return None, text
    return role, spec


def _check(run: Run, record: Record, cells: Sequence[Cell]) -> int:
    outcomes: list[tuple[int, Cell, CheckResult | str]] = []
    brief = len(cells) * len(record.targets) > _LINES_IN_FULL
    try:
        for target, cell, result in run.check(cells):
            outcomes.append((target, cell, result))
            if not (brief and isinstance(result, CheckResult) and result):
                print(_check_line(record, target, cell, result), flush=True)
    except KeyboardInterrupt:
        print("interrupted: what follows is what there is", file=sys.stderr)
    record.checks = [_check_to_json(*outcome) for outcome in outcomes]
    for target in range(len(record.targets)):
        print(_check_summary(record, target, outcomes, len(cells)))
    results = [result for _, _, result in outcomes]
    if any(isinstance(r, CheckResult) and not r for r in results):
        return DEFECT
    missing = len(results) < len(cells) * len(record.targets)
    return NOT_CHECKED if missing or any(isinstance(r, str) for r in results) else HOLDS


def _check_line(record: Record, target: int, cell: Cell, result: CheckResult | str) -> str:
    name = f"  [{record.targets[target].name}]" if len(record.targets) > 1 else ""
    if isinstance(result, str):
        return f"no result  {cell.label}  {result}{name}"
    return f"{'right' if result else 'WRONG'}  {cell.label}  {_figures(result)}{name}"


def _check_summary(
    record: Record, target: int, outcomes: Sequence[tuple[int, Cell, CheckResult | str]], total: int
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


def _check_to_json(target: int, cell: Cell, result: CheckResult | str) -> dict[str, Any]:
    found = {"reason": result} if isinstance(result, str) else result.to_json()
    return {"target": target, "cell": cell.to_json(), **found}


def _figures(result: CheckResult) -> str:
    notes = "" if result.finite else " NOT FINITE"
    notes += "" if result.repeats else " NOT REPEATABLE"
    return (
        f"nmse {result.device_exact:.1e}, cpu {result.device_cpu:.1e} "
        f"(cpu itself {result.cpu_exact:.1e}), row {result.worst_row:.1e}, "
        f"tokens {result.tokens}{notes}"
    )


def _tables(record: Record) -> str:
    parts = []
    for title, rows in tables_of(record):
        parts += [f"\n{title}", table.aligned(rows)]
    return "\n".join(parts)


def _describe(record: Record) -> str:
    machine = record.machine
    lines = [f"measuring {record.unit} on {machine.device}"]
    if machine.clocks_missing:
        lines.append(f"clocks are not sampled: {machine.clocks_missing}")
    lines += [f"{t.name}: ggml {t.ggml_version}, {t.kv_layout}" for t in record.targets]
    return "\n".join(lines)


def _new_record(
    where: Where,
    targets: Sequence[Target],
    roles: Sequence[str | None],
    hellos: Sequence[Hello],
) -> Record:
    first = hellos[0]
    return Record(
        unit="device seconds" if where == "gpu" else "host seconds",
        machine=Machine(
            system=platform.platform(),
            cpu=records.cpu_name(),
            cpu_count=records.usable_cpus(),
            device=first.device,
            gpu=first.gpu,
            driver_version=first.driver_version,
            clocks_missing=first.clocks_missing,
        ),
        targets=tuple(_info(*each) for each in zip(targets, roles, hellos, strict=True)),
        created=records.now(),
    )


def _info(target: Target, role: str | None, hello: Hello) -> TargetInfo:
    return TargetInfo(
        name=target.name,
        role=role,
        version=target.version,
        sha256=target.sha256,
        libraries={path.name: sha256_of(path) for path in target.libraries},
        ggml_version=hello.ggml_version,
        kv_layout=hello.kv_layout,
    )


def _resumed(path: Path, fresh: Record) -> Record:
    old = records.load(path)
    same = (
        [t.libraries for t in old.targets] == [t.libraries for t in fresh.targets]
        and old.unit == fresh.unit
        and old.machine.device == fresh.machine.device
    )
    if not same:
        raise BadInput(
            "the record is of other libraries, another device or another unit",
            where=path,
            hint="resume with the targets in the same order on the same machine, or start anew",
        )
    return old


class _Progress:
    """A line on standard error now and then: what is done, and how long the rest may take."""

    _EVERY_S = 10.0

    def __init__(self, started: float, deadline: float | None) -> None:
        self._started = started
        self._deadline = deadline
        self._printed = started

    def __call__(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if not terminal and now - self._printed < self._EVERY_S and done < total:
            return
        self._printed = now
        left = (now - self._started) / done * (total - done) if done else None
        if self._deadline is not None:
            limit = max(0.0, self._deadline - now)
            left = limit if left is None else min(left, limit)
        rest = f", about {left:.0f} s left" if left is not None and done < total else ""
        line = f"{done}/{total} cells{rest}  {what}"
        end = "\n" if not terminal or done == total else ""
        print(("\r\x1b[K" if terminal else "") + line, end=end, file=sys.stderr, flush=True)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers") from None


def _words(text: str) -> list[str]:
    return text.split(",")


def _head_sizes(text: str) -> list[tuple[int, int]]:
    try:
        pairs = [tuple(map(int, part.split("/"))) for part in text.split(",")]
    except ValueError:
        pairs = [()]
    if any(len(pair) != 2 for pair in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is no list such as 576/512,128/128")
    return [(pair[0], pair[1]) for pair in pairs]


def _lengths(text: str) -> list[int]:
    """`1K-16K` for the powers of two between, or a list such as `1024,5K`."""
    try:
        if "-" in text:
            low, high = (_length(part) for part in text.split("-"))
            return list(_doublings(low, high))
        return [_length(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a range such as {N_KV[0] // 1024}K-128K nor a list of lengths"
        ) from None


def _length(text: str) -> int:
    return int(text[:-1]) * 1024 if text.upper().endswith("K") else int(text)


def _doublings(low: int, high: int) -> Iterator[int]:
    while low <= high:
        yield low
        low *= 2
