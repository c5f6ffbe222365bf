"""`llamaproof profile`: does the emulated GPU do what a real one does?"""

from __future__ import annotations

import argparse
from pathlib import Path

from llamaproof.errors import HOLDS
from llamaproof.profile.cells import PROFILE_CELLS
from llamaproof.profile.recording import record
from llamaproof.reports import document
from llamaproof.reports.printer import Printer
from llamaproof.reports.progress import progress


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "On a machine with a GPU, --record computes attention cells with a target's "
        "kernels and has NVIDIA's profiler count their work. Anywhere, --against executes the "
        "same cells on the emulated card and compares: results, and counts figure by figure."
    )
    parser.epilog = (
        "Exit codes: 0 holds; 1 a result or a figure that must be exact differs; 2 could "
        "not be checked."
    )
    parser.add_argument(
        "target", help="a wheel, a folder that holds llama_cpp or its libraries, or `installed`"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--record", type=Path, metavar="FOLDER", help="run on this machine's GPU")
    what.add_argument("--against", type=Path, metavar="FOLDER", help="compare with a recording")
    parser.add_argument(
        "--gpu", metavar="NAME", help="with --against: the card to play (default: the recorded)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="with --against: write every figure as JSON"
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Record or compare, and return the exit code."""
    return _record(args) if args.record is not None else _compare(args)


def _record(args: argparse.Namespace) -> int:
    with progress(f"{args.target} on this GPU", len(PROFILE_CELLS)) as tell:
        made = record(args.target, PROFILE_CELLS, args.record, on_progress=tell)
    Printer().line(
        f"{made.device}: {len(made.cells)} cells, {len(made.launches)} launches, "
        f"{'the same bits' if made.repeatable else 'OTHER BITS'} in a second run"
    )
    return HOLDS


def _compare(args: argparse.Namespace) -> int:
    # Imported where it is needed: a real GPU does without what the stand-ins bring along.
    from llamaproof.profile.comparison import compare_with
    from llamaproof.profile.terminal import print_comparison

    with progress(f"{args.target} on an emulated GPU") as tell:
        found = compare_with(args.target, args.against, gpu_name=args.gpu, on_progress=tell)
    print_comparison(found, Printer())
    if args.json is not None:
        document.write(args.json, found.json())
    return found.outcome.exit_code
