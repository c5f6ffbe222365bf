"""`python -m build_tools toolkit`: print where the CUDA toolkit is, installing it if need be."""

from __future__ import annotations

import argparse
import contextlib
import sys

from build_tools.toolkit.toolkit import ensure_toolkit


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("toolkit", help="print the folder of the CUDA toolkit")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print the folder on standard output; what an install says goes to standard error."""
    with contextlib.redirect_stdout(sys.stderr):
        toolkit = ensure_toolkit(args.checkout)
    print(toolkit.root)
    return 0
