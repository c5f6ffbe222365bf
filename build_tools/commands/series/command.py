"""`python -m build_tools series`: the patches over a pin."""

from __future__ import annotations

import argparse

from build_tools.commands.series import add, lint, port, status
from build_tools.commands.series.opened import counted, opened
from build_tools.pin.definition import DEFAULT_PIN
from build_tools.progress import show
from build_tools.series.apply import apply_series
from build_tools.series.edit import drop_patch, refresh_patch, reorder
from build_tools.series.export import export_tree
from build_tools.series.rewrite import rewrite_series
from llamaproof.errors import HOLDS


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("series", help="apply, change and check the patches over a pin")
    parser.add_argument("--pin", default=DEFAULT_PIN, help="default: %(default)s")
    verbs = parser.add_subparsers(required=True, metavar="ACTION")
    apply = verbs.add_parser("apply", help="make the tree what the series says")
    apply.set_defaults(execute=_apply)
    shown = verbs.add_parser("status", help="where series, lock and tree stand")
    shown.set_defaults(execute=status.execute)
    lint.configure_parser(
        verbs.add_parser("lint", help="hold all that the series claim against what is so")
    )
    export = verbs.add_parser("export", help="write the tree's commits as the patches")
    export.add_argument(
        "--overwrite", action="store_true", help="even if the series has changed meanwhile"
    )
    export.set_defaults(execute=_export)
    lock = verbs.add_parser("lock", help="renew the patches' line numbers, and the lock")
    lock.set_defaults(execute=_lock)
    add.configure_parser(
        verbs.add_parser("add", help="a new patch, from the tree's edits or a file")
    )
    refresh = verbs.add_parser("refresh", help="fold the tree's edits into a patch")
    refresh.add_argument("name")
    refresh.set_defaults(execute=_refresh)
    drop = verbs.add_parser("drop", help="take a patch out")
    drop.add_argument("name")
    drop.set_defaults(execute=_drop)
    order = verbs.add_parser("reorder", help="put the patches in another order")
    order.add_argument("names", nargs="+", help="each patch once")
    order.set_defaults(execute=_reorder)
    port.configure_parser(verbs.add_parser("port", help="try the series on another pin"))


def _apply(args: argparse.Namespace) -> int:
    with opened(args) as (repository, series, _pin):
        apply_series(repository, series, show)
        print(f"series: {counted(series)} applied in {repository.path}")
    return HOLDS


def _export(args: argparse.Namespace) -> int:
    with opened(args) as (repository, series, pin):
        export_tree(repository, series, pin, show, overwrite=args.overwrite)
    return HOLDS


def _lock(args: argparse.Namespace) -> int:
    with opened(args) as (repository, series, pin):
        rewrite_series(repository, series, pin, show)
    return HOLDS


def _refresh(args: argparse.Namespace) -> int:
    with opened(args) as (repository, series, pin):
        refresh_patch(repository, series, pin, args.name, show)
    return HOLDS


def _drop(args: argparse.Namespace) -> int:
    with opened(args) as (repository, series, pin):
        drop_patch(repository, series, pin, args.name, show)
    return HOLDS


def _reorder(args: argparse.Namespace) -> int:
    with opened(args) as (repository, series, pin):
        reorder(repository, series, pin, args.names, show)
    return HOLDS
