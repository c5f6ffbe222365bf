"""The `llamaproof` command.

Only the module of the command that was asked for is imported: on a GPU's machine without libclang,
`llamaproof bench` works.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llamaproof import __version__
from llamaproof.exits import exit_code_of


@dataclass(frozen=True, kw_only=True)
class Command:
    """What is known of a command without its module.

    Attributes:
        needs: packages, as they are imported, without which the command cannot be asked anything.
            What a single option needs besides is not among them, nor are elftools and numpy, which
            every command needs that looks into libraries.
        looks_into_libraries: of llama.cpp.
    """

    name: str
    help: str
    needs: tuple[str, ...] = ()
    looks_into_libraries: bool = True


# Each module brings `configure_parser(parser)`, which sets `execute`.
COMMANDS: Mapping[str, Command] = {
    "llamaproof.doctor.command": Command(
        name="doctor",
        help="say whether flash attention will run here, and if not, what helps",
        needs=("lz4", "zstandard"),
    ),
    "llamaproof.abi.command": Command(
        name="abi",
        help="check that the Python bindings match the C they call",
        needs=("clang", "lz4", "packaging", "zstandard"),
    ),
    "llamaproof.dispatch.command": Command(
        name="dispatch",
        help="show where flash attention runs, and with which kernel",
        needs=("lz4", "zstandard"),
    ),
    "llamaproof.emulator.command": Command(
        name="emulate",
        help="execute the attention kernels without a GPU and compare them with the CPU",
        needs=("lz4", "zstandard"),
    ),
    "llamaproof.bench.command": Command(
        name="bench", help="measure attention by context length, and judge it"
    ),
    "llamaproof.profile.command": Command(
        name="profile",
        help="compare the emulated GPU with a real one: results, and counts with ncu's",
    ),
    "llamaproof.prove.command": Command(
        name="prove",
        help="run every proof on wheels and write the evidence beside them",
        needs=("clang", "lz4", "packaging", "zstandard"),
    ),
    "llamaproof.verify.command": Command(
        name="verify",
        help="check a wheel, its signatures and its evidence before it is installed",
        needs=("packaging", "securesystemslib"),
        looks_into_libraries=False,
    ),
    "llamaproof.attestation.command": Command(
        name="sign",
        help="sign a wheel, what it was built from, and the result of each proof",
        needs=("packaging", "securesystemslib"),
        looks_into_libraries=False,
    ),
    "llamaproof.signing.command": Command(
        name="keys",
        help="make, show, rotate and revoke the keys that sign wheels",
        needs=("securesystemslib",),
        looks_into_libraries=False,
    ),
    "llamaproof.release.command": Command(
        name="release",
        help="publish wheels that the policy lets through, in an index of static files",
        needs=("lz4", "packaging", "securesystemslib", "zstandard"),
    ),
    "llamaproof.release.yank_command": Command(
        name="yank",
        help="mark a published wheel as one not to be taken",
        needs=("lz4", "packaging", "securesystemslib", "zstandard"),
    ),
}


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line, with the options of one command.

    Raises:
        ModuleNotFoundError: the command needs a package that is not installed.
    """
    parser = argparse.ArgumentParser(
        prog="llamaproof",
        description="Proof that a llama-cpp-python wheel does on the GPU what it says.",
        epilog="Exit codes: 0 holds, 1 a defect was found, 2 could not be checked.",
    )
    parser.add_argument("--version", action="version", version=f"llamaproof {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for module, command in COMMANDS.items():
        own = subparsers.add_parser(command.name, help=command.help)
        if command.name == chosen:
            importlib.import_module(module).configure_parser(own)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return exit_code_of(lambda: _run(arguments))


def _run(arguments: Sequence[str]) -> int:
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    args = build_parser(chosen).parse_args(arguments)
    code: int = args.execute(args)
    return code
