"""The tree and series that a verb works on."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

from build_tools.pin.definition import Pin, load_pin
from build_tools.progress import show
from build_tools.series.folder import Series, load_series, series_folder
from build_tools.sole_use import sole_use
from build_tools.tree.base import ensure_base, tree_folder
from build_tools.tree.repository import Repository


@contextlib.contextmanager
def opened(args: argparse.Namespace) -> Iterator[tuple[Repository, Series, Pin]]:
    """The tree, its series and its pin, with nobody else at them."""
    checkout: Path = args.checkout
    pin = load_pin(checkout, args.pin)
    folder = tree_folder(checkout, pin.name)
    with sole_use(folder, show):
        repository = ensure_base(checkout, pin, folder, show)
        yield repository, load_series(series_folder(checkout, pin.name)), pin


def counted(series: Series) -> str:
    """How many patches a series has, in words."""
    return f"{len(series.patches)} {'patch' if len(series.patches) == 1 else 'patches'}"
