"""`series port`: the series tried on another pin."""

from __future__ import annotations

import argparse
from pathlib import Path

from build_tools.commands.series.opened import counted
from build_tools.pin.definition import load_pin
from build_tools.progress import show
from build_tools.series.folder import load_series, series_folder
from build_tools.series.port import try_series, write_ported
from build_tools.sole_use import sole_use
from build_tools.tree.base import ensure_base, tree_folder
from llamaproof.errors import DEFECT, HOLDS


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """The options of `series port`."""
    parser.add_argument("to", metavar="PIN")
    parser.add_argument("--write", action="store_true", help="make it that pin's series")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print how each patch fares there; writes only when told."""
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
        print(f"port: {len(report.carried)} of {counted(series)} would stand on {pin.name}")
        if args.write:
            there = load_series(series_folder(checkout, pin.name))
            write_ported(repository, there, pin, report, show)
    return HOLDS if report else DEFECT
