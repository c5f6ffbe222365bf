"""`series add`: a new patch, from the tree's edits or a file."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

from build_tools.commands.series.opened import opened
from build_tools.progress import show
from build_tools.series.dep3 import Header
from build_tools.series.edit import add_patch, patch_from_edits
from build_tools.series.folder import Series
from build_tools.series.patch import NAME_PATTERN, PatchFile, make_patch, read_patch
from llamaproof.errors import HOLDS, BadInput

DEFAULT_AUTHOR = "llamaproof maintainers <maintainers@llamaproof.invalid>"


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """The options of `series add`: where the patch goes, and what its header says."""
    parser.add_argument("name", help="0002-what-it-does.patch")
    parser.add_argument("--from", dest="source", type=Path, help="a patch file, not the edits")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--before", metavar="NAME", help="default: at the end")
    place.add_argument("--after", metavar="NAME")
    parser.add_argument("--description", help="a short line; more paragraphs after an empty line")
    parser.add_argument("--author", default=DEFAULT_AUTHOR)
    parser.add_argument("--origin", default="")
    parser.add_argument("--bug", default="")
    parser.add_argument("--forwarded", default="no", help="no, not-needed or an address")
    parser.add_argument("--applied-upstream", default="")
    parser.add_argument("--last-update", type=datetime.date.fromisoformat, help="default: today")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Write the patch, its series' lock, and bring the tree to it."""
    name = args.name if args.name.endswith(".patch") else f"{args.name}.patch"
    if not NAME_PATTERN.fullmatch(name):
        raise BadInput(f"{name} is no name for a patch", hint="0002-what-it-does.patch")
    with opened(args) as (repository, series, pin):
        position = _position(args, series)
        patch = (
            _patch_from_file(args, name)
            if args.source is not None
            else patch_from_edits(repository, series, name, _header(args))
        )
        add_patch(repository, series, pin, patch, position=position, report=show)
    return HOLDS


def _position(args: argparse.Namespace, series: Series) -> int:
    if args.before:
        return series.index(args.before)
    return series.index(args.after) + 1 if args.after else len(series.patches)


def _patch_from_file(args: argparse.Namespace, name: str) -> PatchFile:
    """A patch from a file: with the header it has, unless a description is given."""
    patch = read_patch(args.source.name, args.source.read_bytes())
    header = _header(args) if args.description else patch.header
    if not header.strip():
        raise BadInput(f"{args.source} has no DEP-3 header", hint="give --description")
    return make_patch(name, header, patch.diff)


def _header(args: argparse.Namespace) -> bytes:
    if not args.description:
        raise BadInput("a new patch needs its reason", hint="give --description")
    return Header(
        description=args.description,
        author=args.author,
        origin=args.origin,
        bug=args.bug,
        forwarded=args.forwarded,
        applied_upstream=args.applied_upstream,
        last_update=args.last_update or datetime.date.today(),
    ).text()
