"""The `llamaproof` command."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from llamaproof import __version__
from llamaproof.errors import NOT_CHECKED, LlamaproofError
from llamaproof.process import termination_as_interrupt

# Each module brings `configure_parser(subparsers)`, which sets `execute`.
COMMANDS: tuple[str, ...] = (
    "llamaproof.abi.command",
    "llamaproof.bench.command",
    "llamaproof.dispatch.command",
    "llamaproof.doctor.command",
    "llamaproof.emulator.command",
    "llamaproof.prove.command",
)

INTERRUPTED = 130


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
    try:
        with termination_as_interrupt():
            return int(args.execute(args))
    except LlamaproofError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_CHECKED
