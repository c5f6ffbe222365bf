"""`llamaproof prove`: every proof there is of a wheel, and the evidence beside it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from llamaproof import __version__
from llamaproof.abi.check import check_target
from llamaproof.abi.report import print_result
from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED, BadInput
from llamaproof.files import write_whole
from llamaproof.target import open_target, sha256_of

SCHEMA = "llamaproof.evidence"
SCHEMA_VERSION = 1


def configure_parser(subparsers: Any) -> None:
    """Add the `prove` command."""
    parser = subparsers.add_parser(
        "prove",
        help="run every proof on wheels and write the evidence beside them",
        description="Run every proof on each wheel and write WHEEL.evidence.json beside it.",
    )
    parser.add_argument("wheels", nargs="*", type=Path, help="default: dist/*.whl")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Prove each wheel; the exit code is the worst of theirs."""
    console = Console()
    wheels = args.wheels or sorted(Path("dist").glob("*.whl"))
    if not wheels:
        raise BadInput("there is no wheel to prove", where=Path("dist"), hint="build one first")
    return worst([prove(wheel, console) for wheel in wheels])


def prove(wheel: Path, console: Console) -> int:
    """Run the proofs of one wheel, write its evidence, and return the exit code."""
    console.print(f"[bold]{wheel.name}[/bold]")
    with open_target(str(wheel)) as target:
        abi = check_target(target, headers=())
    print_result(abi, console, notes=False, kernels=True)
    document = {
        "schema": SCHEMA,
        "version": SCHEMA_VERSION,
        "tool": __version__,
        "wheel": {"name": wheel.name, "sha256": sha256_of(wheel)},
        "abi": abi.json(),
    }
    evidence = wheel.with_name(wheel.name + ".evidence.json")
    write_whole(evidence, json.dumps(document, indent=1) + "\n")
    console.print(f"evidence: {evidence}")
    return abi.exit_code


def worst(codes: Sequence[int]) -> int:
    """A defect outweighs what could not be checked, which outweighs what holds."""
    return next((code for code in (DEFECT, NOT_CHECKED) if code in codes), HOLDS)
