"""The options of `llamaproof bench`, and what their texts mean."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar, get_args

from llamaproof.attention.cell import HeadSizes
from llamaproof.attention.families import RANDOM, all_families, find_family
from llamaproof.bench import record as records
from llamaproof.bench.gate import DEFAULT_GATE
from llamaproof.bench.points import N_KV, TOKENS, Point, Selection, filled, select, select_emulated
from llamaproof.bench.run import CELL_LIMIT_S
from llamaproof.bench.worker import Where
from llamaproof.errors import BadInput
from llamaproof.ggml import GgmlType, KvLayout
from llamaproof.spread.options import add_dask

T = TypeVar("T")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add all options of the command."""
    parser.add_argument(
        "target",
        nargs="?",
        help="a wheel, `installed`, or a folder of libraries; the gate judges it",
    )
    parser.add_argument(
        "--from",
        dest="record",
        type=Path,
        metavar="FILE",
        help="measure nothing: judge and report this record",
    )
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
    parser.add_argument(
        "--on",
        choices=get_args(Where),
        default="gpu",
        help="time the GPU or the CPU backend, or count work on the emulator",
    )
    parser.add_argument(
        "--gpu", default="L40S", metavar="CARD", help="that the emulator plays (default: L40S)"
    )
    parser.add_argument(
        "--check", action="store_true", help="compare results with the CPU backend and float64"
    )
    parser.add_argument(
        "--inputs",
        type=_words,
        default=[RANDOM.name],
        metavar=f"{RANDOM.name},flat",
        help="with --check: families of inputs (`llamaproof emulate --help` says what each finds), "
        f"or `all` (default: {RANDOM.name})",
    )
    parser.add_argument("--time-limit", type=float, metavar="S", help="seconds in all")
    parser.add_argument(
        "--cell-limit",
        type=float,
        default=CELL_LIMIT_S,
        metavar="S",
        help="seconds after which a cell that is measured often enough is left with the noise it "
        f"has (default: {CELL_LIMIT_S:g})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write a report here")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="go on with this record")
    parser.add_argument(
        "--kv-layout",
        choices=get_args(KvLayout),
        help="where the release's graph puts a latent V, for folders without the libllama that "
        "shows it: v_separate up to 0.3.16, v_first_of_k from 0.3.17 on",
    )
    add_dask(parser)
    parser.add_argument("--threads", type=int, default=records.usable_cpus(), help="of the CPU")
    gate = parser.add_argument_group("gate")
    gate.add_argument("--gate", type=Path, default=DEFAULT_GATE, metavar="FILE", help="the rules")
    gate.add_argument("--judge", type=_words, metavar="RULES", help="judge only these rules")
    gate.add_argument("--no-gate", action="store_true", help="measure, judge nothing")
    cells = parser.add_argument_group("cells")
    cells.add_argument("--head-sizes", type=_words, metavar="576/512,128")
    cells.add_argument("--gqa", type=_numbers, metavar="16,20", help="GQA ratios")
    cells.add_argument("--tokens", type=_numbers, metavar=",".join(map(str, TOKENS)))
    cells.add_argument("--n-kv", type=_lengths, metavar="1K-128K", help="a range or a list")
    cells.add_argument("--kv", type=_words, metavar="f16,q8_0", help="K/V types")
    cells.add_argument("--kv-heads", type=int, metavar="N", help="K/V heads, for every shape")
    cells.add_argument(
        "--streams", type=_numbers, metavar="1,4", help="sequences with a cache of their own"
    )
    cells.add_argument("--no-prompts", action="store_true", help="leave out whole prompts")


def points_of(args: argparse.Namespace) -> tuple[Point, ...]:
    """The points that the options ask for.

    Raises:
        BadInput: they leave none, or name head sizes or a type that there cannot be.
    """
    asked = Selection(
        head_sizes=_each(HeadSizes.parse, args.head_sizes),
        gqa_ratios=args.gqa,
        tokens=args.tokens,
        n_kv=args.n_kv,
        kv_types=_each(GgmlType.parse, args.kv),
        n_kv_heads=args.kv_heads,
        n_streams=args.streams,
        prompts=not (args.no_prompts or args.check),
    )
    points = select_emulated(asked) if args.on == "emulator" else select(asked)
    if not points:
        raise BadInput("no cells are left to measure", hint="widen --gqa, --tokens or --n-kv")
    if not args.check:
        if args.inputs != [RANDOM.name]:
            raise BadInput("--inputs goes with --check", hint="what is measured is random data")
        return points
    families = all_families() if "all" in args.inputs else [find_family(n) for n in args.inputs]
    return filled(points, families)


def role_of(text: str) -> tuple[str | None, str]:
    """`0.3.16=folder` in its parts; a path that exists is never taken apart."""
    role, separator, spec = text.partition("=")
    if not separator or Path(text).exists():
        return None, text
    return role, spec


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers") from None


def _words(text: str) -> list[str]:
    return text.split(",")


def _each(parse: Callable[[str], T], texts: Sequence[str] | None) -> list[T] | None:
    return [parse(text) for text in texts] if texts is not None else None


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
