"""`llamaproof verify`: whether a wheel is what its publisher signed, and what was proved of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from llamaproof.attestation.findings import WheelCheck
from llamaproof.reports import document
from llamaproof.reports.document import Schema
from llamaproof.reports.outcome import worst
from llamaproof.reports.printer import Printer
from llamaproof.signing.trusted_keys import FILE_NAME, TrustedKeys, read_trusted_keys
from llamaproof.verify.places import checks
from llamaproof.verify.terminal import print_check, print_name

SCHEMA = Schema(name="llamaproof.verification", version=1)

_EPILOG = (
    "Exit codes: 0 everything holds; 1 something is wrong; 2 something could not be checked, such "
    "as who signed it, without --key. Nothing of the wheel is executed, and without an address "
    "nothing is fetched."
)


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Check a wheel before it is installed: its bytes, its signatures, where it comes from, and "
        "what was proved of it."
    )
    parser.epilog = _EPILOG
    parser.add_argument(
        "place", metavar="WHEEL|FOLDER|URL",
        help="a wheel with its sidecars, a folder of them, the address of a wheel "
        "(...whl#sha256=...), or that of an index's page or root",
    )  # fmt: skip
    parser.add_argument(
        "--key", type=Path, metavar="FILE",
        help=f"whom to trust: the publisher's {FILE_NAME}, or his public key (ssh-ed25519 ...)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Check each wheel; the exit code is the worst of theirs."""
    trusted = TrustedKeys() if args.key is None else read_trusted_keys(args.key)
    printer = Printer()
    found = []
    for check in checks(args.place, trusted, lambda wheel: print_name(wheel, printer)):
        print_check(check, printer)
        found.append(check)
    outcome = worst(check.outcome for check in found)
    if len(found) > 1:
        printer.line(f"{len(found)} wheels: {outcome.value}", tone=outcome.tone)
    if args.json is not None:
        document.write(args.json, _document(found))
    return outcome.exit_code


def _document(found: list[WheelCheck]) -> dict[str, Any]:
    outcome = worst(check.outcome for check in found)
    return SCHEMA.document(outcome=outcome.value, wheels=[check.json() for check in found])
