"""`series lint`: all that the series claim, held against what is so."""

from __future__ import annotations

import argparse
from pathlib import Path

from build_tools.pin.definition import load_pin, pin_names
from build_tools.progress import show
from build_tools.series.lint import lint_series, series_names
from build_tools.sole_use import sole_use
from build_tools.tree.base import ensure_base, tree_folder
from llamaproof.reports.outcome import worst


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """The option of `series lint`."""
    parser.add_argument("--fetch", action="store_true", help="lay the tree out where it is not")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Lint every series; the worst decides the exit code."""
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
