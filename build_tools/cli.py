"""The `python -m build_tools` command."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from build_tools.full_disk import as_error
from llamaproof.errors import NOT_CHECKED, LlamaproofError
from llamaproof.process import termination_as_interrupt

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

INTERRUPTED = 130


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
    try:
        args = build_parser().parse_args(argv)
        with termination_as_interrupt():
            return int(args.execute(args))
    except LlamaproofError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; nothing is half-done, run it again", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        print(f"error: {as_error(error)}", file=sys.stderr)
        return NOT_CHECKED
