"""`llamaproof sign`: the signed statements about a wheel, beside it."""

from __future__ import annotations

import argparse
from pathlib import Path

from llamaproof import kept_evidence
from llamaproof.attestation.sign import sign_wheel
from llamaproof.reports.printer import Printer
from llamaproof.signing import ssh_signature
from llamaproof.signing.signing_key import ENVIRONMENT, key_for_signing


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Sign each wheel, its provenance, and the result of each proof in the evidence beside it. "
        "Whoever signs stands by what the wheel says of its making and by the evidence."
    )
    parser.add_argument("wheels", nargs="+", type=Path, metavar="WHEEL")
    parser.add_argument(
        "--key", type=Path, metavar="FILE",
        help=f"the private key; default: the file that {ENVIRONMENT} names",
    )  # fmt: skip
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Sign each wheel; what is written is told."""
    key = key_for_signing(args.key)
    printer = Printer()
    if lacking := ssh_signature.lacking():
        printer.line(f"{lacking}: no SSH signatures are made")
    for wheel in args.wheels:
        evidence = kept_evidence.beside(wheel)
        if not evidence.is_file():
            printer.line(f"{wheel.name}: there is no evidence beside it to sign")
        for path in sign_wheel(wheel, evidence if evidence.is_file() else None, key):
            printer.line(f"signed: {path.name}")
    return 0
