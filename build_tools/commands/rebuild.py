"""`python -m build_tools rebuild WHEEL`: make a wheel again and compare, byte for byte."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from build_tools.progress import show
from build_tools.rebuild.rebuild import Rebuilt, rebuild
from build_tools.toolkit.settings import toolkit_settings
from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED
from llamaproof.files import sha256_of


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "rebuild",
        help="build a wheel again from what it says of itself, and compare",
        description="Build a wheel again from what it says of itself, and name what differs.",
        epilog="Exit codes: 0 the same bytes, 1 they differ, 2 an input is not as it was.",
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilers at once")
    parser.add_argument(
        "--anyway", action="store_true", help="build also where an input is not as it was"
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Rebuild; prints the verdict and every difference."""
    toolkit = toolkit_settings({}, os.environ)
    rebuilt = rebuild(
        args.checkout, args.wheel, toolkit, jobs=max(1, args.jobs), anyway=args.anyway
    )
    if not rebuilt.differences:
        show(f"rebuild: the same bytes, sha256 {sha256_of(rebuilt.path)}")
        return HOLDS
    show(f"rebuild: {rebuilt.path.name} differs from the wheel")
    for difference in rebuilt.differences:
        for line in difference.lines():
            show(f"  {line}")
    return _verdict(rebuilt)


def _verdict(rebuilt: Rebuilt) -> int:
    """Other bytes are a defect only where the same inputs promise the same bytes."""
    if rebuilt.doubt:
        show(f"rebuild: other bytes may come of the same inputs: {rebuilt.doubt}")
        return NOT_CHECKED
    return DEFECT
