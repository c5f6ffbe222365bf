"""`llamaproof emulate`: do a target's attention kernels compute what attention is defined to be?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from llamaproof import shadow
from llamaproof.attention.cell import LAYOUTS, Cell, HeadSizes
from llamaproof.attention.error import MAX_NMSE
from llamaproof.attention.families import RANDOM, Family, all_families, find_family
from llamaproof.attention.grid import cells_of
from llamaproof.emulator import terminal
from llamaproof.emulator.coverage import coverage_of, print_coverage
from llamaproof.emulator.decode import DecodeSettings, run_model
from llamaproof.emulator.results import emulation_json
from llamaproof.emulator.run import emulate
from llamaproof.emulator.shapes import DEFAULT_SHAPES, QUICK_SHAPES
from llamaproof.errors import BadInput
from llamaproof.ggml import GgmlType
from llamaproof.reports import document
from llamaproof.reports.outcome import Outcome, worst
from llamaproof.reports.printer import Printer
from llamaproof.reports.progress import progress
from llamaproof.spread.options import add_dask, carrier_at
from llamaproof.target import open_target
from llamaproof.target.libraries import linux_libraries

DEFAULT_GPU = "L40S"
_ALL = "all"


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Execute a target's own attention kernels (their PTX) on the CPU, check every "
        "memory access and barrier, count the work, and compare the result with attention in "
        f"float64: the normalised mean squared error may be at most {MAX_NMSE:g}. The error of "
        "ggml's CPU backend is shown beside it."
    )
    parser.epilog = (
        "Exit codes: 0 holds; 1 a result is wrong, a kernel does what it must not, or it "
        "aborts; 2 could not be checked. A shape that falls back to the CPU is no failure here: "
        "`llamaproof dispatch --require` judges that."
    )
    parser.add_argument(
        "target", help="a wheel, a folder that holds llama_cpp or its libraries, or `installed`"
    )
    parser.add_argument(
        "--gpu", metavar="NAME", default=None, help=f"a card by name (default: {DEFAULT_GPU})"
    )
    parser.add_argument("--sm", type=int, metavar="SM", help="a card with this sm")
    parser.add_argument(
        "--quick", action="store_true", help="a set of shapes that takes a few minutes"
    )
    axes: tuple[tuple[str, Any, str, str], ...] = (
        ("--head-sizes", str, "DKQ[/DV]", "head sizes"),
        ("--type", str, "TYPE", "a K/V type, as in f16 or q8_0"),
        ("--ratio", int, "N", "a GQA ratio"),
        ("--tokens", int, "N", "a number of tokens"),
        ("--n-kv", int, "N", "a number of cells in the cache"),
        ("--type-v", str, "TYPE", "a type of V, where it is not K's"),
        ("--streams", int, "N", "a number of sequences with a cache of their own"),
    )
    for option, kind, metavar, words in axes:
        parser.add_argument(
            option,
            action="append",
            default=[],
            type=kind,
            metavar=metavar,
            help=f"only {words}; repeatable",
        )
    parser.add_argument(
        "--layout",
        choices=[layout for layout in LAYOUTS if layout],
        help="K and V lie otherwise than the release's own graph lays them",
    )
    parser.add_argument(
        "--inputs",
        action="append",
        default=[],
        metavar="FAMILY",
        help=f"`{_ALL}`, or what the tensors are filled with; repeatable; each finds: "
        + "; ".join(f"{family.name}: {family.finds}" for family in all_families())
        + f" (default: {RANDOM.name})",
    )
    parser.add_argument(
        "--multiprocessors",
        type=int,
        metavar="N",
        help="play the card with so many: with few, one block sums up a whole context, as with "
        "many tokens over a long context on the whole card",
    )
    parser.add_argument(
        "--model", type=Path, metavar="FILE.gguf", help="decode with a whole (small) model instead"
    )
    parser.add_argument(
        "--prefill", type=int, default=40, metavar="N", help="with --model: tokens of the prompt"
    )
    parser.add_argument(
        "--decode", type=int, default=4, metavar="N", help="with --model: tokens after it"
    )
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="execute nothing: say which of the target's kernels could not be executed",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the evidence as JSON")
    add_dask(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Execute, print, write what was asked for, and return the exit code."""
    printer = Printer()
    if args.dask is not None and (args.coverage or args.model is not None):
        raise BadInput(
            "--dask spreads shapes over machines",
            hint="leave it out beside --coverage and --model, which run here",
        )
    if args.coverage:
        return _execute_coverage(args, printer)
    if args.model is not None:
        return _execute_model(args, printer)
    cells, gpu = _cells(args), _gpu(args)
    runs = []
    with carrier_at(args.dask) as carrier:
        for family in _families(args):
            fitted = sorted({family.fitted(cell) for cell in cells})
            with progress(f"{args.target}, {family.name} inputs", len(fitted)) as tell:
                runs.append(
                    emulate(
                        args.target, gpu, fitted, family=family, on_progress=tell, carrier=carrier
                    )
                )
            terminal.print_evidence(runs[-1], printer)
    if args.json is not None:
        document.write(args.json, emulation_json(runs))
    return worst(run.outcome for run in runs).exit_code


def _families(args: argparse.Namespace) -> Sequence[Family]:
    if _ALL in args.inputs:
        return all_families()
    return [find_family(name) for name in args.inputs] or [RANDOM]


def _execute_coverage(args: argparse.Namespace, printer: Printer) -> int:
    with open_target(args.target) as target:
        coverage = coverage_of(linux_libraries(target))
    print_coverage(coverage, printer)
    return (Outcome.HOLDS if coverage else Outcome.NOT_CHECKED).exit_code


def _execute_model(args: argparse.Namespace, printer: Printer) -> int:
    types = [GgmlType.parse(text) for text in args.type] or [GgmlType.F16]
    if (
        len(types) > 1
        or args.quick
        or args.head_sizes
        or args.ratio
        or args.tokens
        or args.n_kv
        or args.inputs
    ):
        raise BadInput("a model has its own shapes", hint="beside --model give one --type at most")
    if args.prefill < 1 or args.decode < 0:
        raise BadInput("--prefill takes numbers from 1 on, --decode from 0 on")
    settings = DecodeSettings(
        n_prefill=args.prefill, n_decode=args.decode, type_k=types[0], type_v=types[0]
    )
    with progress(args.model.name, settings.n_prefill + settings.n_decode) as tell:
        evidence = run_model(
            args.target,
            args.model,
            _gpu(args),
            settings,
            on_progress=lambda what, done: tell(done, f"on the {what}"),
        )
    terminal.print_model(evidence, printer)
    if args.json is not None:
        document.write(args.json, evidence.json())
    return evidence.outcome.exit_code


def _gpu(args: argparse.Namespace) -> shadow.Gpu:
    if args.gpu is not None and args.sm is not None:
        raise BadInput("--gpu and --sm name two cards", hint="give one of them")
    if args.multiprocessors is not None and args.multiprocessors < 1:
        raise BadInput("--multiprocessors takes numbers from 1 on")
    by_sm = args.sm is not None
    gpu = shadow.gpu_of_sm(args.sm) if by_sm else shadow.find_gpu(args.gpu or DEFAULT_GPU)
    return replace(gpu, multiprocessors=args.multiprocessors or gpu.multiprocessors)


def _cells(args: argparse.Namespace) -> Sequence[Cell]:
    for option, values in (
        ("--ratio", args.ratio),
        ("--tokens", args.tokens),
        ("--n-kv", args.n_kv),
        ("--streams", args.streams),
    ):
        if any(value < 1 for value in values):
            raise BadInput(f"{option} takes numbers from 1 on")
    axes: dict[str, Any] = {
        "heads": [HeadSizes.parse(text) for text in args.head_sizes],
        "types": [GgmlType.parse(text) for text in args.type],
        "ratios": args.ratio,
        "n_tokens": args.tokens,
        "n_kv": args.n_kv,
        "types_v": [GgmlType.parse(text) for text in args.type_v],
        "n_streams": args.streams,
        "layout": args.layout,
    }
    if args.quick and any(axes.values()):
        raise BadInput("--quick is a fixed set of shapes", hint="leave the other options out")
    cells = cells_of(QUICK_SHAPES if args.quick else [DEFAULT_SHAPES.narrowed(**axes)])
    if not cells:
        raise BadInput("no shape is left: a type's blocks do not fit into these head sizes")
    return cells
