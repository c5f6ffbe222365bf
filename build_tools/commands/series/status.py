"""`series status`: where series, lock and tree stand."""

from __future__ import annotations

import argparse
from pathlib import Path

from build_tools.commands.series.opened import counted
from build_tools.pin.definition import load_pin
from build_tools.progress import show
from build_tools.series.folder import load_series, series_folder
from build_tools.series.lock import read_lock
from build_tools.series.staleness import against_lock, result_against_lock, tree_against_series
from build_tools.sole_use import sole_use
from build_tools.tree.base import laid_base, tree_folder
from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED


def execute(args: argparse.Namespace) -> int:
    """Print what is out of step with what; lays no tree out."""
    checkout: Path = args.checkout
    pin = load_pin(checkout, args.pin)
    folder = tree_folder(checkout, pin.name)
    with sole_use(folder, show):
        series = load_series(series_folder(checkout, pin.name))
        lock = read_lock(series.folder)
        print(f"series: {counted(series)} over {pin.name}")
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
