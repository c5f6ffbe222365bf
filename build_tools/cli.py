"""The `python -m build_tools` command."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from llamaproof.exits import exit_code_of

# Each module brings `configure_parser(subparsers)`, which sets `execute`.
COMMANDS: tuple[str, ...] = (
    "build_tools.pin_command",
    "build_tools.series_command",
    "build_tools.wheel_command",
    "build_tools.check_command",
    "build_tools.lock_command",
    "build_tools.native_command",
    "build_tools.toolkit_command",
)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="python -m build_tools",
        description="From a pinned source to a wheel; runs from a checkout.",
        epilog="Exit codes: 0 holds, 1 a defect was found, 2 could not be checked or done.",
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(name).configure_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    args = build_parser().parse_args(argv)
    return exit_code_of(
        lambda: args.execute(args), interrupted="interrupted; nothing is half-done, run it again"
    )
