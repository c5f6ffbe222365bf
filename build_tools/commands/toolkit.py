"""`python -m build_tools toolkit`: print where a CUDA toolkit is, installing it if need be."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys

from build_tools.commands.name_value import described, pairs
from build_tools.toolkit.settings import SETTINGS, toolkit_settings
from build_tools.toolkit.toolkit import ensure_toolkit


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "toolkit",
        help="print the folder of a CUDA toolkit",
        description="Print the folder of a CUDA toolkit; it is put together first if need be.",
        epilog=described(SETTINGS),
    )
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="see below")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print the folder on standard output; what an install says goes to standard error."""
    settings = toolkit_settings(pairs(args.settings, SETTINGS, "toolkit"), os.environ)
    with contextlib.redirect_stdout(sys.stderr):
        toolkit = ensure_toolkit(args.checkout, settings)
    print(toolkit.root)
    return 0
