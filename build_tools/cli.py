"""The `python -m build_tools` command."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path

from llamaproof.exits import exit_code_of

CHECKOUT = Path(__file__).resolve().parent.parent

# Each module brings `configure_parser(subparsers)`, which sets `execute`; it finds the checkout to
# work in as `args.checkout`.
COMMANDS: tuple[str, ...] = (
    "build_tools.commands.pin",
    "build_tools.commands.series.command",
    "build_tools.commands.wheel",
    "build_tools.commands.rebuild",
    "build_tools.commands.check",
    "build_tools.commands.docs",
    "build_tools.commands.fetch_index",
    "build_tools.commands.lock",
    "build_tools.commands.matrix",
    "build_tools.commands.old_pip",
    "build_tools.commands.native",
    "build_tools.commands.cpp_lint",
    "build_tools.commands.toolkit",
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


def main(argv: Sequence[str] | None = None, checkout: Path = CHECKOUT) -> int:
    """Run the command line, in this checkout or another; returns the exit code."""
    parser = build_parser()
    parser.set_defaults(checkout=checkout)
    args = parser.parse_args(argv)
    return exit_code_of(
        lambda: args.execute(args), interrupted="interrupted; nothing is half-done, run it again"
    )
