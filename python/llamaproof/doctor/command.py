"""`llamaproof doctor`: will flash attention run here, and if not, why not and what helps?"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from llamaproof import shadow
from llamaproof.doctor.diagnosis import INSTALLED, diagnose
from llamaproof.doctor.package import Host
from llamaproof.doctor.terminal import diagnosis_json, print_diagnosis
from llamaproof.errors import BadInput
from llamaproof.reports import document
from llamaproof.reports.printer import Printer
from llamaproof.target import open_target

DEFAULT_GPU = "L40S"


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Examine the llama_cpp of this environment, this machine and its GPU (or, "
        "where there is none, one that is played), and say on one page whether flash attention "
        "will run, and if not, the reason and the remedy."
    )
    parser.add_argument("model", nargs="?", type=Path, help="a GGUF model to ask about")
    parser.add_argument(
        "--target",
        default=INSTALLED,
        help="a wheel or a folder that holds llama_cpp (default: the one installed here)",
    )
    parser.add_argument(
        "--gpu", default=DEFAULT_GPU, help=f"card to play without one (default: {DEFAULT_GPU})"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the diagnosis as JSON")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Diagnose, print, and return the exit code."""
    if args.model is not None and not args.model.is_file():
        raise BadInput(f"no such file: {args.model}", hint="give a GGUF model, or nothing")
    with open_target(args.target) as target:
        diagnosis = diagnose(
            args.target,
            target,
            args.model,
            shadow_gpu=shadow.find_gpu(args.gpu),
            environ=os.environ,
            host=Host.here(),
        )
    print_diagnosis(diagnosis, Printer())
    if args.json is not None:
        document.write(args.json, diagnosis_json(diagnosis))
    return diagnosis.outcome.exit_code
