"""`python -m build_tools lock`: write the lock files anew."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from llamaproof.process import run

UV = "uv==0.13.9"


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("lock", help="write requirements/*.lock from requirements/*.in")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Resolve for every Python from 3.10 on; the files carry hashes and no addresses."""
    folder = args.checkout / "requirements"
    with tempfile.TemporaryDirectory(prefix="llamaproof-lock-") as scratch:
        run((sys.executable, "-m", "pip", "install", "--target", scratch, UV))
        for source in sorted(folder.glob("*.in")):
            run(
                (
                    Path(scratch) / "bin" / "uv", "pip", "compile", "--universal",
                    "--python-version", "3.10", "--generate-hashes", "--no-emit-index-url",
                    "--no-emit-find-links", "--no-header", "--no-annotate",
                    source, "-o", source.with_suffix(".lock"),
                )
            )  # fmt: skip
            print(f"locked: requirements/{source.stem}.lock", flush=True)
    return 0
