"""`llamaproof dispatch`: on which GPU does which attention run, with which kernel?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from llamaproof import shadow
from llamaproof.attention.cell import Cell, HeadSizes
from llamaproof.attention.grid import cells_of, grid_for
from llamaproof.dispatch import html, model_command, requirement, terminal
from llamaproof.dispatch.agreement import Agreement, agree
from llamaproof.dispatch.proof import assemble
from llamaproof.dispatch.requirement import Requirement
from llamaproof.errors import BadInput
from llamaproof.files import write_whole
from llamaproof.placement.by_model import MODEL_CELLS, brief_models_table
from llamaproof.placement.on_real_gpu import collect_real
from llamaproof.placement.on_shadow import collect
from llamaproof.placement.survey import Survey
from llamaproof.reports import document
from llamaproof.reports.outcome import worst
from llamaproof.reports.printer import Printer
from llamaproof.reports.progress import progress
from llamaproof.spread.carrier import HERE, Carrier
from llamaproof.spread.options import add_dask, carrier_at

DEFAULT_GPU = "L40S"

_EPILOG = f"""\
A requirement is written {requirement.SYNTAX}:
  576/512@20:f16          head sizes 576 and 512, ratio 20, f16 K/V, every number of tokens
  576/512@%4:f16,q8_0     every ratio divisible by 4
  576/512@2-128:f16       every ratio from 2 to 128
  128@4,8:q8_0/f16#1,512  K in q8_0 and V in f16, at 1 and 512 tokens
  576/512@20:f16#1*4,8    4 and 8 sequences with a cache each, one token of each
  128@8:f16 on L40S,T4+   on these cards alone; T4+ is T4's sm and each newer one
  576/512@20:f16 on V100 falls back   that it is known to run on the CPU there
Each is asked with a causal mask, at two depths of context, on every GPU examined that it does not
leave out.

Exit codes: 0 holds; 1 a requirement is unmet, a cell is worse than with --diff OTHER, or with
--agree the GPU does other than its shadow; 2 could not be checked. Without --require, --diff and
--agree there is nothing to fail: 0 says it was examined.
"""


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Run a target's own CUDA libraries against a stand-in runtime that plays any "
        "GPU, and record what becomes of flash attention for each head size, ratio, K/V type and "
        "number of tokens: a kernel, the CPU, or an abort."
    )
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "target", help="a wheel, a folder that holds llama_cpp or its libraries, or `installed`"
    )
    parser.add_argument(
        "--gpu",
        action="append",
        default=[],
        metavar="NAME",
        help=f"a card by name, or `all`; repeatable (default: {DEFAULT_GPU})",
    )
    parser.add_argument(
        "--sm", action="append", default=[], type=int, metavar="SM", help="a card with this sm"
    )
    parser.add_argument(
        "--real", action="store_true", help="examine on this machine's GPU, not on a shadow of one"
    )
    parser.add_argument(
        "--agree",
        action="store_true",
        help="with --real: compare with the shadow of the same card, cell by cell",
    )
    parser.add_argument(
        "--head-sizes",
        action="append",
        default=[],
        metavar="DKQ[/DV]",
        help="only these head sizes; repeatable",
    )
    parser.add_argument(
        "--require", action="append", default=[], metavar="CELLS", help="what must run on the GPU"
    )
    parser.add_argument("--diff", metavar="OTHER", help="compare with another target")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the evidence as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the evidence as a page")
    add_dask(parser)
    model_command.add_options(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Examine, print, write what was asked for, and return the exit code."""
    printer = Printer()
    _check_options(args)
    gpus = shadow.find_gpus(args.gpu, args.sm) or (shadow.find_gpu(DEFAULT_GPU),)
    if args.model is not None:
        return model_command.execute(args, gpus)
    requirements = tuple(requirement.parse(text) for text in args.require)
    cells = _cells(args.head_sizes, requirements)
    with carrier_at(args.dask) as carrier:
        survey = _examine(args, args.target, gpus, cells, carrier)
        against = _examine(args, args.diff, gpus, cells, carrier) if args.diff else None
    proof = assemble(survey, requirements, against)
    agreement = _agreement(args.target, survey) if args.agree else None
    if args.json is not None:
        found = {} if agreement is None else {"agreement": agreement.json()}
        document.write(args.json, {**proof.json(), **found})
    if args.html is not None:
        write_whole(args.html, html.page(proof))
    terminal.print_proof(proof, printer)
    if agreement is not None:
        terminal.print_agreement(agreement, printer)
    if proof.models:
        printer.table(brief_models_table(proof.models))
    judged = [proof.outcome, *([agreement.outcome] if agreement is not None else [])]
    return worst(judged).exit_code


def _check_options(args: argparse.Namespace) -> None:
    if args.agree and not args.real:
        raise BadInput("--agree compares a real GPU with its shadow", hint="give --real too")
    if args.real and (args.gpu or args.sm):
        raise BadInput(
            "--real examines the GPU of this machine, and --gpu and --sm choose others",
            hint="leave --gpu and --sm out; CUDA_VISIBLE_DEVICES chooses among several GPUs",
        )
    if args.real and args.model is not None:
        raise BadInput("--model runs on a shadow GPU", hint="leave --real out")
    if args.dask is not None and (args.real or args.model is not None):
        raise BadInput(
            "--dask spreads a grid of cells on shadow GPUs",
            hint="leave it out beside --real and --model, which run here",
        )


def _examine(
    args: argparse.Namespace,
    target: str,
    gpus: Sequence[shadow.Gpu],
    cells: tuple[Cell, ...],
    carrier: Carrier,
) -> Survey:
    return _collect_real(target, cells) if args.real else _collect(target, gpus, cells, carrier)


def _agreement(target: str, survey: Survey) -> Agreement:
    """The one report of a real GPU beside the shadow of its card.

    Raises:
        BadInput: the table of cards has no such card.
    """
    (real,) = survey.reports
    played = _collect(target, (shadow.find_gpu(real.gpu),), survey.cells)
    return agree(real.gpu, played.reports[0].outcomes, real.outcomes)


def _cells(head_sizes: Sequence[str], requirements: Sequence[Requirement]) -> tuple[Cell, ...]:
    """The grid, and what familiar models and the requirements ask beyond it."""
    heads = [HeadSizes.parse(text) for text in head_sizes] or None
    required = {cell for wanted in requirements for cell in wanted.cells}
    of_models = {cell for cell in MODEL_CELLS if heads is None or cell.heads in heads}
    return tuple(sorted({*cells_of(grid_for(heads or ()), heads=heads), *required, *of_models}))


def _collect(
    target: str, gpus: Sequence[shadow.Gpu], cells: tuple[Cell, ...], carrier: Carrier = HERE
) -> Survey:
    with progress(target, len(gpus) * len(cells)) as tell:
        return collect(target, gpus, cells, on_progress=tell, carrier=carrier)


def _collect_real(target: str, cells: tuple[Cell, ...]) -> Survey:
    with progress(target, len(cells)) as tell:
        return collect_real(target, cells, on_progress=tell)
