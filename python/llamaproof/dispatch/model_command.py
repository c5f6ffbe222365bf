"""`llamaproof dispatch TARGET --model FILE.gguf`: where a whole model's attention runs."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

from llamaproof import shadow
from llamaproof.errors import BadInput
from llamaproof.ggml import GgmlType
from llamaproof.gguf.attention import ModelAttention, attention_of
from llamaproof.gguf.header import Header, read_header
from llamaproof.model_run.header_report import examine_header, header_json, print_header_report
from llamaproof.model_run.report import ModelReport, report_of
from llamaproof.model_run.run import Settings, run_on_shadow
from llamaproof.model_run.terminal import as_json, print_report
from llamaproof.reports import document
from llamaproof.reports.document import Schema
from llamaproof.reports.outcome import worst
from llamaproof.reports.printer import Printer
from llamaproof.reports.progress import progress
from llamaproof.target import Target, open_target

SCHEMA = Schema(name="llamaproof.models", version=1)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for a whole model to the `dispatch` command."""
    group = parser.add_argument_group(
        "a whole model",
        "Load a model through the target's own bindings, prefill and decode, and report each "
        "layer's attention, graph splits, what ran on the CPU, and memory from 1K to 128K. A file "
        "that ends before its weights do is answered from its metadata.",
    )
    group.add_argument("--model", type=Path, metavar="FILE", help="a GGUF model")
    group.add_argument(
        "--header-only", action="store_true", help="answer from the model's metadata alone"
    )
    group.add_argument(
        "--type-k", default="f16", metavar="TYPE", help="type of the K cache (default: f16)"
    )
    group.add_argument(
        "--type-v", default="f16", metavar="TYPE", help="type of the V cache (default: f16)"
    )
    group.add_argument(
        "--sequences",
        type=int,
        default=1,
        metavar="N",
        help="decode so many sequences at once (n_seq_max), each on a cache of its own",
    )
    group.add_argument(
        "--kv-unified", action="store_true", help="with --sequences: on one cache (kv_unified)"
    )


def execute(args: argparse.Namespace, gpus: Sequence[shadow.Gpu]) -> int:
    """Examine the model on each GPU, print, write what was asked for; returns the exit code."""
    _refuse_other_questions(args)
    printer = Printer()
    settings = _settings(args)
    header = read_header(args.model)
    model = attention_of(header)
    if args.header_only or header.truncated:
        return _from_header(args, gpus, header, model, settings)
    reports = []
    with open_target(args.target) as target:
        for gpu in gpus:
            report = examine_model(target, args.model, model, gpu, settings)
            print_report(report, printer)
            reports.append(report)
    if args.json is not None:
        documents = [as_json(report) for report in reports]
        document.write(args.json, SCHEMA.document(reports=documents))
    return worst(report.outcome for report in reports).exit_code


def _settings(args: argparse.Namespace) -> Settings:
    if args.sequences < 1:
        raise BadInput("--sequences takes numbers from 1 on")
    if args.kv_unified and args.sequences == 1:
        raise BadInput("--kv-unified says what several sequences share", hint="give --sequences")
    return Settings(
        type_k=GgmlType.parse(args.type_k),
        type_v=GgmlType.parse(args.type_v),
        n_seq_max=args.sequences,
        kv_unified=args.kv_unified,
    )


def examine_model(
    target: Target, path: Path, model: ModelAttention, gpu: shadow.Gpu, settings: Settings
) -> ModelReport:
    """Run a model on a shadow GPU, telling each phase."""
    with progress(f"{path.name} on {gpu.name}, phase") as tell:
        phases = itertools.count(1)
        run = run_on_shadow(
            target, path, settings, gpu, on_phase=lambda phase: tell(next(phases), phase)
        )
    return report_of(run, model, settings, target=target.name, gpu=gpu.name)


def _from_header(
    args: argparse.Namespace,
    gpus: Sequence[shadow.Gpu],
    header: Header,
    model: ModelAttention,
    settings: Settings,
) -> int:
    report = examine_header(
        args.target, header, model, gpus, type_k=settings.type_k, type_v=settings.type_v
    )
    print_header_report(report, Printer())
    if args.json is not None:
        document.write(args.json, header_json(report))
    return report.outcome.exit_code


def _refuse_other_questions(args: argparse.Namespace) -> None:
    """A model answers what it needs; the grid's own options have no meaning beside it.

    Raises:
        BadInput: one of them was given.
    """
    given = {
        "--require": args.require,
        "--diff": args.diff,
        "--head-sizes": args.head_sizes,
        "--html": args.html,
    }
    for option, value in given.items():
        if value:
            raise BadInput(
                f"{option} does not go with --model",
                hint="ask for one or the other; exit code 1 says that a layer is off the GPU",
            )
