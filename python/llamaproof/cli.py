"""The `llamaproof` command."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from llamaproof import __version__
from llamaproof.exits import exit_code_of

# Each module brings `configure_parser(subparsers)`, which sets `execute`.
COMMANDS: tuple[str, ...] = (
    "llamaproof.abi.command",
    "llamaproof.bench.command",
    "llamaproof.dispatch.command",
    "llamaproof.doctor.command",
    "llamaproof.emulator.command",
    "llamaproof.profile.command",
    "llamaproof.prove.command",
)


def build_parser(commands: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """The parser of the whole command line, or of some commands."""
    parser = argparse.ArgumentParser(
        prog="llamaproof",
        description="Proof that a llama-cpp-python wheel does on the GPU what it says.",
        epilog="Exit codes: 0 holds, 1 a defect was found, 2 could not be checked.",
    )
    parser.add_argument("--version", action="version", version=f"llamaproof {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in commands:
        importlib.import_module(name).configure_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None, commands: Sequence[str] = COMMANDS) -> int:
    """Run the command line, or what of it some commands make up; returns the exit code."""
    args = build_parser(commands).parse_args(argv)
    return exit_code_of(lambda: args.execute(args))
