"""`llamaproof yank`: a published wheel that is not to be taken any more."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from llamaproof.errors import BadInput
from llamaproof.index.model import Publication
from llamaproof.release.command import DEFAULT_INDEX
from llamaproof.release.exchange import sole_use
from llamaproof.release.keys_at_hand import signing_for
from llamaproof.release.publish import publish
from llamaproof.release.published import read_published
from llamaproof.release.report import Report, print_report
from llamaproof.release.run import listed_wheels, steps_told
from llamaproof.reports.printer import Printer

_EPILOG = (
    "Exit codes: 0 it is done, or was so already; 1 the index is damaged; 2 there is no such wheel "
    "in it, or it could not be written. But for 0 the index is as it was."
)


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Mark a published wheel as one not to be taken: pip and uv pass it over, unless its "
        "version is asked for by ==. The file stays, and so does who has it."
    )
    parser.epilog = _EPILOG
    parser.add_argument("wheel", metavar="WHEEL", help="its file name")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--reason", metavar="TEXT", help="why, for whoever asks for it")
    what.add_argument("--undo", action="store_true", help="let it be taken again")
    parser.add_argument(
        "--index", type=Path, default=DEFAULT_INDEX, metavar="INDEX",
        help=f"the folder of the index (default: {DEFAULT_INDEX})",
    )  # fmt: skip
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Yank a wheel, or take that back."""
    if not args.undo and not args.reason.strip():
        raise BadInput("a wheel is yanked for a reason, and none was given", hint="--reason TEXT")
    if not args.index.is_dir():
        raise BadInput("there is no index", where=args.index, hint="name it with --index")
    printer = Printer()
    with sole_use(args.index, printer.line):
        published = read_published(args.index)
        if published.publication is None:
            raise BadInput("there is no index", where=args.index, hint="name it with --index")
        name = Path(args.wheel).name
        reason = None if args.undo else " ".join(args.reason.split())
        wanted = _with_mark(published.publication, name, reason)
        signing = signing_for(None, None, published)
        with steps_told() as tell:
            changed, made, refusals = publish(published, wanted, (), signing, tell)
    report = Report(
        policy="",
        index=str(args.index),
        dry_run=False,
        changed=changed,
        wheels=tuple(listed_wheels(made, ())),
        refusals=tuple(refusals),
    )
    print_report(report, printer)
    return report.outcome.exit_code


def _with_mark(publication: Publication, name: str, reason: str | None) -> Publication:
    if all(wheel.name != name for wheel in publication.wheels):
        raise BadInput(
            f"no wheel of this name is published: {name}",
            hint=f"these are: {', '.join(wheel.name for wheel in publication.wheels) or 'none'}",
        )
    wheels = (
        replace(wheel, yanked=reason) if wheel.name == name else wheel
        for wheel in publication.wheels
    )
    return replace(publication, wheels=tuple(wheels))
