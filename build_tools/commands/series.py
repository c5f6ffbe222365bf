"""`python -m build_tools series`: the patches over a pin."""

from __future__ import annotations

import argparse
import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path

from build_tools.pin.definition import Pin, load_pin, pin_names
from build_tools.progress import show
from build_tools.series.apply import apply_series
from build_tools.series.dep3 import Header
from build_tools.series.edit import add_patch, drop_patch, patch_from_edits, refresh_patch, reorder
from build_tools.series.export import export_tree
from build_tools.series.folder import Series, load_series, series_folder
from build_tools.series.lint import lint_series, series_names
from build_tools.series.lock import read_lock
from build_tools.series.patch import NAME_PATTERN, PatchFile, make_patch, read_patch
from build_tools.series.port import try_series, write_ported
from build_tools.series.rewrite import rewrite_series
from build_tools.series.staleness import against_lock, result_against_lock, tree_against_series
from build_tools.sole_use import sole_use
from build_tools.tree.base import ensure_base, laid_base, tree_folder
from build_tools.tree.repository import Repository
from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED, BadInput
from llamaproof.reports.outcome import worst

DEFAULT_PIN = "llama-cpp-python-0.3.16"
DEFAULT_AUTHOR = "llamaproof maintainers <maintainers@llamaproof.invalid>"


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("series", help="apply, change and check the patches over a pin")
    parser.add_argument("--pin", default=DEFAULT_PIN, help="default: %(default)s")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    apply = actions.add_parser("apply", help="make the tree what the series says")
    apply.set_defaults(execute=_apply)
    status = actions.add_parser("status", help="where series, lock and tree stand")
    status.set_defaults(execute=_status)
    lint = actions.add_parser("lint", help="hold all that the series claim against what is so")
    lint.add_argument("--fetch", action="store_true", help="lay the tree out where it is not")
    lint.set_defaults(execute=_lint)
    export = actions.add_parser("export", help="write the tree's commits as the patches")
    export.add_argument(
        "--overwrite", action="store_true", help="even if the series has changed meanwhile"
    )
    export.set_defaults(execute=_export)
    lock = actions.add_parser("lock", help="renew the patches' line numbers, and the lock")
    lock.set_defaults(execute=_lock)
    _configure_add(actions.add_parser("add", help="a new patch, from the tree's edits or a file"))
    refresh = actions.add_parser("refresh", help="fold the tree's edits into a patch")
    refresh.add_argument("name")
    refresh.set_defaults(execute=_refresh)
    drop = actions.add_parser("drop", help="take a patch out")
    drop.add_argument("name")
    drop.set_defaults(execute=_drop)
    order = actions.add_parser("reorder", help="put the patches in another order")
    order.add_argument("names", nargs="+", help="each patch once")
    order.set_defaults(execute=_reorder)
    port = actions.add_parser("port", help="try the series on another pin")
    port.add_argument("to", metavar="PIN")
    port.add_argument("--write", action="store_true", help="make it that pin's series")
    port.set_defaults(execute=_port)


def _configure_add(parser: argparse.ArgumentParser) -> None:
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
    parser.set_defaults(execute=_add)


def _apply(args: argparse.Namespace) -> int:
    with _opened(args) as (repository, series, _pin):
        apply_series(repository, series, show)
        print(f"series: {_counted(series)} applied in {repository.path}")
    return HOLDS


def _export(args: argparse.Namespace) -> int:
    with _opened(args) as (repository, series, pin):
        export_tree(repository, series, pin, show, overwrite=args.overwrite)
    return HOLDS


def _lock(args: argparse.Namespace) -> int:
    with _opened(args) as (repository, series, pin):
        rewrite_series(repository, series, pin, show)
    return HOLDS


def _add(args: argparse.Namespace) -> int:
    name = args.name if args.name.endswith(".patch") else f"{args.name}.patch"
    if not NAME_PATTERN.fullmatch(name):
        raise BadInput(f"{name} is no name for a patch", hint="0002-what-it-does.patch")
    with _opened(args) as (repository, series, pin):
        position = len(series.patches)
        if args.before or args.after:
            position = series.index(args.before or args.after) + (1 if args.after else 0)
        patch = (
            _patch_from_file(args, name)
            if args.source is not None
            else patch_from_edits(repository, series, name, _header(args))
        )
        add_patch(repository, series, pin, patch, position=position, report=show)
    return HOLDS


def _refresh(args: argparse.Namespace) -> int:
    with _opened(args) as (repository, series, pin):
        refresh_patch(repository, series, pin, args.name, show)
    return HOLDS


def _drop(args: argparse.Namespace) -> int:
    with _opened(args) as (repository, series, pin):
        drop_patch(repository, series, pin, args.name, show)
    return HOLDS


def _reorder(args: argparse.Namespace) -> int:
    with _opened(args) as (repository, series, pin):
        reorder(repository, series, pin, args.names, show)
    return HOLDS


def _status(args: argparse.Namespace) -> int:
    checkout: Path = args.checkout
    pin = load_pin(checkout, args.pin)
    folder = tree_folder(checkout, pin.name)
    with sole_use(folder, show):
        series = load_series(series_folder(checkout, pin.name))
        lock = read_lock(series.folder)
        print(f"series: {_counted(series)} over {pin.name}")
        found = list(against_lock(series, lock, pin.name))
        repository = laid_base(pin, folder)
        if repository is not None:
            found += result_against_lock(repository, series, lock)
            found += tree_against_series(repository, series)
    for stale in found:
        print(f"  {stale}")
    if repository is None:
        print(f"  no tree of this base in {folder}: `series apply` lays it out [tree-not-laid]")
        return DEFECT if found else NOT_CHECKED
    if not found:
        print(f"  applied in {folder}, tree {repository.tree_id('HEAD')}, as locked")
    return DEFECT if found else HOLDS


def _lint(args: argparse.Namespace) -> int:
    checkout: Path = args.checkout
    outcomes = []
    for name in series_names(checkout):
        folder = tree_folder(checkout, name)
        with sole_use(folder, show):
            if args.fetch and name in pin_names(checkout):
                ensure_base(checkout, load_pin(checkout, name), folder, show)
            report = lint_series(checkout, name)
        for defect in report.defects:
            print(f"{name}: {defect}")
        for reason in report.unchecked:
            print(f"{name}: could not be checked: {reason}")
        if report:
            print(f"{name}: holds")
        outcomes.append(report.outcome)
    return worst(outcomes).exit_code


def _port(args: argparse.Namespace) -> int:
    checkout: Path = args.checkout
    with sole_use(tree_folder(checkout, args.pin), show):
        series = load_series(series_folder(checkout, args.pin))
    pin = load_pin(checkout, args.to)
    folder = tree_folder(checkout, pin.name)
    with sole_use(folder, show):
        repository = ensure_base(checkout, pin, folder, show)
        report = try_series(repository, series)
        for ported in report.patches:
            print(f"{ported.patch.name} {ported.outcome.value}")
            for reason in ported.reasons:
                print(f"    {reason}")
        print(f"port: {len(report.carried)} of {_counted(series)} would stand on {pin.name}")
        if args.write:
            there = load_series(series_folder(checkout, pin.name))
            write_ported(repository, there, pin, report, show)
    return HOLDS if report else DEFECT


def _counted(series: Series) -> str:
    return f"{len(series.patches)} {'patch' if len(series.patches) == 1 else 'patches'}"


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


@contextlib.contextmanager
def _opened(args: argparse.Namespace) -> Iterator[tuple[Repository, Series, Pin]]:
    """The tree, its series and its pin, with nobody else at them."""
    checkout: Path = args.checkout
    pin = load_pin(checkout, args.pin)
    folder = tree_folder(checkout, pin.name)
    with sole_use(folder, show):
        repository = ensure_base(checkout, pin, folder, show)
        yield repository, load_series(series_folder(checkout, pin.name)), pin
