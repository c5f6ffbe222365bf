"""`llamaproof prove`: every proof there is of a wheel, and the evidence beside it."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from llamaproof.abi.check import check_target
from llamaproof.abi.device import DeviceCode, read_device_code
from llamaproof.abi.terminal import print_result
from llamaproof.dispatch import requirement
from llamaproof.errors import BadInput
from llamaproof.files import sha256_of
from llamaproof.placement.by_model import brief_models_table
from llamaproof.prove import bindings, numbers, placement, work
from llamaproof.prove.cards import covered_cards, named
from llamaproof.prove.demands import MAY_BE_LEFT_OUT, Demands
from llamaproof.prove.demands_file import DEFAULT_PROFILE, load_demands
from llamaproof.prove.evidence import Evidence
from llamaproof.prove.section import Section, guarded
from llamaproof.reports.blocks import Table
from llamaproof.reports.outcome import Outcome, worst
from llamaproof.reports.printer import Printer
from llamaproof.spread.carrier import Carrier
from llamaproof.spread.options import add_dask, carrier_at
from llamaproof.target import open_target

_CARDS = "names such as L40S,H200; T4+ is a card of T4's sm and of each newer one; repeatable"
# argparse takes a % in a help text for its own.
_SYNTAX = requirement.SYNTAX.replace("%", "%%")
_EPILOG = (
    "Exit codes: 0 every proof that was asked for holds; 1 one found a defect; 2 one could not be "
    "made. What --without leaves out is named in the evidence and fails nothing."
)


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Prove of each wheel that its bindings match its binary, where attention "
        "runs, that it computes what it is defined to be, and that it does no more work than the "
        "gate allows; write WHEEL.evidence.json and WHEEL.evidence.html beside it."
    )
    parser.epilog = _EPILOG
    parser.add_argument("wheels", nargs="*", type=Path, help="default: dist/*.whl")
    parser.add_argument(
        "--demands", default=DEFAULT_PROFILE, metavar="NAME",
        help="what the wheel must show: a profile of llamaproof's demands.toml, or FILE.toml or "
        f"FILE.toml:NAME (default: {DEFAULT_PROFILE}); each option below takes an entry's place",
    )  # fmt: skip
    parser.add_argument(
        "--cards", action="append", default=[], metavar="CARDS",
        help=f"cards that the wheel must serve: {_CARDS}",
    )  # fmt: skip
    parser.add_argument(
        "--numbers", action="append", default=[], metavar="CARDS",
        help="cards whose kernels are executed, written alike",
    )  # fmt: skip
    parser.add_argument(
        "--require", action="append", default=[], metavar="CELLS",
        help=f"what must run on the GPU, written {_SYNTAX}; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--against", metavar="OTHER",
        help="a target that no cell may be worse than, such as stock; its kernels are executed too",
    )  # fmt: skip
    parser.add_argument(
        "--without", action="append", default=[], choices=MAY_BE_LEFT_OUT,
        help="leave this proof out, and say so in the evidence; repeatable",
    )  # fmt: skip
    add_dask(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Prove each wheel; the exit code is the worst of theirs."""
    demands = load_demands(args.demands).with_options(
        require=args.require, cards=args.cards, numbers=args.numbers, without=args.without
    )
    if demands.against is not None and args.against is None:
        raise BadInput(
            f"the demands of {demands.profile} are to be compared with {demands.against.value}",
            hint="say where it is with --against",
        )
    wheels = args.wheels or sorted(Path("dist").glob("*.whl"))
    if not wheels:
        raise BadInput("there is no wheel to prove", where=Path("dist"), hint="build one first")
    printer = Printer()
    proved = []
    with carrier_at(args.dask) as carrier:
        for wheel in wheels:
            evidence = prove(wheel, demands, args.against, printer, carrier)
            for path in evidence.write_beside(wheel):
                printer.line(f"evidence: {path.name}")
            proved.append(evidence.outcome)
    return worst(proved).exit_code


def prove(
    wheel: Path, demands: Demands, against: str | None, printer: Printer, carrier: Carrier
) -> Evidence:
    """Make the proofs of one wheel, each told as it is made.

    Args:
        against: the target that no cell may be worse than.
        carrier: has the cells examined, here or elsewhere; the bindings are compared here.

    Raises:
        BadInput: it is no wheel.
    """
    seconds: dict[str, float] = {}

    def made(name: str, title: str, make: Callable[[], Section]) -> Section:
        printer.heading(title)
        started = time.monotonic()
        section = guarded(name, title, make)
        seconds[name] = time.monotonic() - started
        return section

    printer.heading(wheel.name)
    printer.line(_demanded(demands))
    digest = sha256_of(wheel) if wheel.is_file() else ""
    with open_target(str(wheel)) as target:
        if target.kind != "wheel":
            raise BadInput("evidence is bound to a wheel, and this is none", where=wheel)
        code = read_device_code(target.libraries)

        def prove_bindings() -> Section:
            result = check_target(target, headers=())
            print_result(result, printer, notes=False, kernels=False)
            return bindings.bindings_section(result)

        sections = [made(bindings.NAME, bindings.TITLE, prove_bindings)]
    if code.fatbins:
        sections += _gpu_sections(wheel, code, demands, against, printer, carrier, made)
    else:
        sections += _without_gpu_code(demands)
    printer.heading("evidence")
    print_summary(sections, seconds, printer)
    return Evidence(wheel=wheel.name, sha256=digest, demands=demands, sections=tuple(sections))


def _gpu_sections(
    wheel: Path,
    code: DeviceCode,
    demands: Demands,
    against: str | None,
    printer: Printer,
    carrier: Carrier,
    made: Callable[[str, str, Callable[[], Section]], Section],
) -> list[Section]:
    cards = demands.cards.value if demands.cards else covered_cards(code)
    executed_for = demands.numbers.value if demands.numbers else cards[:1]
    proofs: tuple[tuple[str, str, Callable[[], Section]], ...] = (
        (
            placement.NAME,
            placement.TITLE,
            lambda: placement.prove_placement(
                wheel, code, cards, demands.requirements, against, printer, carrier
            ),
        ),
        (
            numbers.NAME,
            numbers.TITLE,
            lambda: numbers.prove_numbers(wheel, code, executed_for, against, printer, carrier),
        ),
        (
            work.NAME,
            work.TITLE,
            lambda: work.prove_work(wheel, code, demands.work.value, printer, carrier),
        ),
    )
    return [
        _left_out(name, title, demands) or made(name, title, make) for name, title, make in proofs
    ]


def _demanded(demands: Demands) -> str:
    """Which demands these are, and what of them the command line took the place of."""
    words = f"demands: {demands.profile}"
    if demands.overridden:
        options = ", ".join(f"--{name}" for name in demands.overridden)
        words += f", but for what {options} says"
    return words


def _left_out(name: str, title: str, demands: Demands) -> Section | None:
    demand = demands.left_out(name)
    if demand is None:
        return None
    return Section(
        name=name,
        title=title,
        outcome=Outcome.LEFT_OUT,
        words=f"not proved, left out: {demand.reason}",
    )


def _without_gpu_code(demands: Demands) -> list[Section]:
    """A wheel for the CPU: nothing to prove of a GPU, and a defect where cards were named."""
    words = "the wheel has no GPU code"
    nothing = Outcome.NOTHING_TO_PROVE
    asked = [demand.value for demand in (demands.cards, demands.numbers) if demand is not None]
    served = list(dict.fromkeys(gpu for cards in asked for gpu in cards))
    placed = Section(name=placement.NAME, title=placement.TITLE, outcome=nothing, words=words)
    if served:
        must = f"{words}, and must serve {named(served)}"
        placed = dataclasses.replace(placed, outcome=Outcome.DEFECT, words=must)
    return [
        placed,
        *(
            _left_out(name, title, demands)
            or Section(name=name, title=title, outcome=nothing, words=words)
            for name, title in ((numbers.NAME, numbers.TITLE), (work.NAME, work.TITLE))
        ),
    ]


def print_summary(sections: Sequence[Section], seconds: dict[str, float], printer: Printer) -> None:
    """Print what each proof came to, and last which models run on the GPU."""
    printer.table(
        Table(
            head=("proof", "time", "outcome"),
            rows=[
                (
                    section.title,
                    f"{seconds[section.name]:.0f} s" if section.name in seconds else "-",
                    section.outcome.value,
                )
                for section in sections
            ],
            figures=("time",),
            tones=[section.outcome.tone for section in sections],
        )
    )
    for section in sections:
        printer.line(f"{section.title}: {section.words}")
    for section in sections:
        if section.models:
            printer.table(brief_models_table(section.models))
