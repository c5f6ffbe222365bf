"""`llamaproof prove`: every proof there is of a wheel, and the evidence beside it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof import shadow
from llamaproof.abi.check import check_target
from llamaproof.abi.device import DeviceCode, read_device_code
from llamaproof.abi.terminal import print_result
from llamaproof.dispatch import requirement
from llamaproof.dispatch.requirement import Requirement
from llamaproof.errors import BadInput
from llamaproof.placement.by_model import brief_models_table
from llamaproof.prove import bindings, numbers, placement, work
from llamaproof.prove.cards import covered_cards, named, parse_cards
from llamaproof.prove.evidence import Evidence
from llamaproof.prove.section import Section, guarded
from llamaproof.reports.blocks import Table
from llamaproof.reports.outcome import Outcome, worst
from llamaproof.reports.printer import Printer
from llamaproof.target import open_target, sha256_of

_CARDS = "names such as L40S,H200; T4+ is a card of T4's sm and of each newer one; repeatable"
# argparse takes a % in a help text for its own.
_SYNTAX = requirement.SYNTAX.replace("%", "%%")
_MAY_BE_LEFT_OUT = (numbers.NAME, work.NAME)
_EPILOG = (
    "Exit codes: 0 every proof that was asked for holds; 1 one found a defect; 2 one could not be "
    "made. What --without leaves out is named in the evidence and fails nothing."
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be proved of each wheel.

    Attributes:
        cards: that it must serve; none for one of each sm that it has code for.
        numbers: cards whose kernels are executed; none for the first of the above.
        requirements: what must run on the GPU.
        against: a target that no cell may be worse than.
        without: names of proofs that are left out.
    """

    cards: tuple[shadow.Gpu, ...] = ()
    numbers: tuple[shadow.Gpu, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    against: str | None = None
    without: tuple[str, ...] = ()


def configure_parser(subparsers: Any) -> None:
    """Add the `prove` command."""
    parser = subparsers.add_parser(
        "prove",
        help="run every proof on wheels and write the evidence beside them",
        description="Prove of each wheel that its bindings match its binary, where attention "
        "runs, that it computes what the CPU computes, and that it does no more work than the "
        "gate allows; write WHEEL.evidence.json and WHEEL.evidence.html beside it.",
        epilog=_EPILOG,
    )
    parser.add_argument("wheels", nargs="*", type=Path, help="default: dist/*.whl")
    parser.add_argument(
        "--cards", action="append", default=[], metavar="CARDS",
        help=f"cards that the wheel must serve (default: each sm it has code for): {_CARDS}",
    )  # fmt: skip
    parser.add_argument(
        "--numbers", action="append", default=[], metavar="CARDS",
        help="cards whose kernels are executed (default: the first of --cards), written alike",
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
        "--without", action="append", default=[], choices=_MAY_BE_LEFT_OUT,
        help="leave this proof out, and say so in the evidence; repeatable",
    )  # fmt: skip
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Prove each wheel; the exit code is the worst of theirs."""
    plan = Plan(
        cards=parse_cards(args.cards),
        numbers=parse_cards(args.numbers),
        requirements=tuple(requirement.parse(text) for text in args.require),
        against=args.against,
        without=tuple(args.without),
    )
    if plan.numbers and numbers.NAME in plan.without:
        raise BadInput("--numbers names cards for a proof that --without leaves out")
    wheels = args.wheels or sorted(Path("dist").glob("*.whl"))
    if not wheels:
        raise BadInput("there is no wheel to prove", where=Path("dist"), hint="build one first")
    printer = Printer()
    proved = []
    for wheel in wheels:
        evidence = prove(wheel, plan, printer)
        for path in evidence.write_beside(wheel):
            printer.line(f"evidence: {path.name}")
        proved.append(evidence.outcome)
    return worst(proved).exit_code


def prove(wheel: Path, plan: Plan, printer: Printer) -> Evidence:
    """Make the proofs of one wheel, each told as it is made.

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
        sections += _gpu_sections(wheel, code, plan, printer, made)
    else:
        sections += _without_gpu_code(plan)
    printer.heading("evidence")
    print_summary(sections, seconds, printer)
    return Evidence(wheel=wheel.name, sha256=digest, sections=tuple(sections))


def _gpu_sections(
    wheel: Path,
    code: DeviceCode,
    plan: Plan,
    printer: Printer,
    made: Callable[[str, str, Callable[[], Section]], Section],
) -> list[Section]:
    cards = plan.cards or covered_cards(code)
    executed_for = plan.numbers or cards[:1]
    proofs: tuple[tuple[str, str, Callable[[], Section]], ...] = (
        (
            placement.NAME,
            placement.TITLE,
            lambda: placement.prove_placement(
                wheel, code, cards, plan.requirements, plan.against, printer
            ),
        ),
        (
            numbers.NAME,
            numbers.TITLE,
            lambda: numbers.prove_numbers(wheel, code, executed_for, plan.against, printer),
        ),
        (work.NAME, work.TITLE, lambda: work.prove_work(wheel, code, printer)),
    )
    return [
        _left_out(name, title) if name in plan.without else made(name, title, make)
        for name, title, make in proofs
    ]


def _left_out(name: str, title: str) -> Section:
    return Section(
        name=name,
        title=title,
        outcome=Outcome.LEFT_OUT,
        words=f"not proved: left out on request (--without {name})",
    )


def _without_gpu_code(plan: Plan) -> list[Section]:
    """A wheel for the CPU: nothing to prove of a GPU, and a defect where cards were named."""
    outcome, words = Outcome.NOTHING_TO_PROVE, "the wheel has no GPU code"
    if plan.cards or plan.numbers:
        outcome = Outcome.DEFECT
        words += f", and must serve {named(dict.fromkeys((*plan.cards, *plan.numbers)))}"
    sections = [Section(name=placement.NAME, title=placement.TITLE, outcome=outcome, words=words)]
    for name, title in ((numbers.NAME, numbers.TITLE), (work.NAME, work.TITLE)):
        sections.append(
            _left_out(name, title)
            if name in plan.without
            else Section(name=name, title=title, outcome=Outcome.NOTHING_TO_PROVE,
                         words="the wheel has no GPU code")
        )  # fmt: skip
    return sections


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
