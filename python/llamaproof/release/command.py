"""`llamaproof release`: wheels and their evidence in, an index out."""

from __future__ import annotations

import argparse
from pathlib import Path

from llamaproof.release.report import print_report
from llamaproof.release.run import Asked, release
from llamaproof.reports import document
from llamaproof.reports.printer import Printer
from llamaproof.signing.signing_key import ENVIRONMENT

DEFAULT_POLICY = Path("release.toml")
DEFAULT_INDEX = Path("dist/index")
_EPILOG = (
    "Exit codes: 0 it is published, or nothing was new; 1 something is wrong with a wheel, its "
    "evidence or the index; 2 something could not be checked, or is not there. But for 0 the "
    "index is as it was."
)


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Publish wheels: hold each against the policy and its evidence, sign it, write the index "
        "beside the old one, look at that as pip does, and put it in its place in one step. "
        "Published files never change."
    )
    parser.epilog = _EPILOG
    parser.add_argument(
        "wheels", nargs="*", type=Path, metavar="WHEEL|FOLDER", help="default: dist",
        default=[Path("dist")],
    )  # fmt: skip
    parser.add_argument(
        "--policy", type=Path, default=DEFAULT_POLICY, metavar="FILE",
        help=f"what may be published (default: {DEFAULT_POLICY})",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=DEFAULT_INDEX, metavar="INDEX",
        help=f"the folder of the index, as it was published last (default: {DEFAULT_INDEX})",
    )  # fmt: skip
    parser.add_argument(
        "--key", type=Path, metavar="FILE",
        help=f"the private key that signs (default: the file that {ENVIRONMENT} names); without "
        "one, wheels must have been signed before",
    )  # fmt: skip
    parser.add_argument(
        "--keys", type=Path, metavar="FILE",
        help="the publisher's keys.json, with the keys that took others' places or are revoked "
        "(default: the one in the index)",
    )  # fmt: skip
    parser.add_argument(
        "--renew", action="store_true",
        help="let newer evidence take the place of what was published beside the same wheel",
    )  # fmt: skip
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would happen, and write nothing"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what came of it as JSON")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Publish, or say why not."""
    asked = Asked(
        given=tuple(args.wheels),
        policy=args.policy,
        index=args.out,
        key=args.key,
        keys=args.keys,
        dry_run=args.dry_run,
        renew=args.renew,
    )
    printer = Printer()
    report = release(asked, printer)
    print_report(report, printer)
    if args.json is not None:
        document.write(args.json, report.json())
    return report.outcome.exit_code
