"""`llamaproof abi`: do the bindings match the C they call, and is the binary what it says?"""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from llamaproof.abi.check import check_pair, check_target
from llamaproof.abi.device import split_archs
from llamaproof.abi.findings import Result
from llamaproof.abi.terminal import print_result, write_json
from llamaproof.errors import BadInput
from llamaproof.reports.printer import Printer
from llamaproof.target import open_target


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Check that the Python bindings match the C they call, field by field and "
        "argument by argument, and that the libraries are what the wheel says they are."
    )
    parser.epilog = "A C++ compiler is needed: it has the last word on every size and offset."
    parser.add_argument(
        "target", nargs="?", help="a wheel, a folder that holds llama_cpp, or `installed`"
    )
    _add_headers(
        parser,
        "--headers",
        "headers to hold the bindings against (default: llama_cpp/include of the target)",
    )
    parser.add_argument(
        "--bindings",
        type=Path,
        metavar="DIR",
        help="in place of a target: just the bindings of this tree, against --headers",
    )
    parser.add_argument(
        "--baseline",
        metavar="OTHER",
        help="an unpatched build (wheel or folder): its symbols and layouts must still be there",
    )
    _add_headers(
        parser,
        "--baseline-headers",
        "headers of the baseline (default: llama_cpp/include of it)",
    )
    parser.add_argument(
        "--cuda-arch",
        metavar="LIST",
        help='the GPU architectures asked for, such as "80;89-real" (default: as the wheel says)',
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON")
    parser.add_argument("--notes", action="store_true", help="show harmless differences too")
    parser.add_argument(
        "--kernels",
        action="store_true",
        help="list the attention kernels with their registers, shared memory and stack",
    )
    parser.set_defaults(execute=execute)


def _add_headers(parser: argparse.ArgumentParser, name: str, words: str) -> None:
    parser.add_argument(name, action="append", default=[], type=Path, metavar="DIR", help=words)


def execute(args: argparse.Namespace) -> int:
    """Run the check, print it, and return the exit code."""
    result = _check(args)
    if args.json is not None:
        write_json(result, args.json)
    print_result(result, Printer(), notes=args.notes, kernels=args.kernels)
    return result.outcome.exit_code


def _check(args: argparse.Namespace) -> Result:
    if (args.target is None) == (args.bindings is None):
        raise BadInput(
            "give either a target or --bindings DIR",
            hint="llamaproof abi WHEEL, or llamaproof abi --bindings DIR --headers DIR",
        )
    if args.bindings is not None:
        return check_pair(args.bindings, args.headers or [args.bindings])
    cuda_arch = split_archs(args.cuda_arch) if args.cuda_arch is not None else None
    with contextlib.ExitStack() as opened:
        target = opened.enter_context(open_target(args.target))
        baseline = opened.enter_context(open_target(args.baseline)) if args.baseline else None
        return check_target(
            target,
            headers=args.headers,
            cuda_arch=cuda_arch,
            baseline=baseline,
            baseline_headers=args.baseline_headers,
        )
