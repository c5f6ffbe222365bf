"""`llamaproof prove`: every proof there is of a wheel, and the evidence beside it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from llamaproof import __version__, shadow
from llamaproof.abi.check import check_target
from llamaproof.abi.device import DeviceCode, read_device_code
from llamaproof.abi.findings import Result
from llamaproof.abi.report import print_result
from llamaproof.dispatch import page, requirement, table
from llamaproof.dispatch.comparison import Change, changes
from llamaproof.dispatch.evidence import DispatchEvidence, changes_json, requirements_json
from llamaproof.dispatch.grid import cells_of, grid_for
from llamaproof.dispatch.requirement import Requirement, Unmet
from llamaproof.dispatch.run import collect
from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED, BadInput
from llamaproof.files import write_whole
from llamaproof.target import open_target, sha256_of

SCHEMA = "llamaproof.evidence"
SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class DispatchProof:
    """Where attention runs, and what was asked of it.

    Attributes:
        against: the target compared with; None when there was none.
        changes: cells that differ from it.
    """

    evidence: DispatchEvidence
    requirements: tuple[Requirement, ...]
    failures: tuple[Unmet, ...]
    against: DispatchEvidence | None
    changes: tuple[Change, ...]

    @property
    def exit_code(self) -> int:
        worse = any(change.verdict == "worse" for change in self.changes)
        return DEFECT if self.failures or worse else HOLDS

    def json(self) -> dict[str, Any]:
        document = self.evidence.json()
        document["requirements"] = requirements_json(self.requirements, self.failures)
        if self.against is not None:
            document["comparison"] = changes_json(self.against, self.changes)
        return document


def configure_parser(subparsers: Any) -> None:
    """Add the `prove` command."""
    parser = subparsers.add_parser(
        "prove",
        help="run every proof on wheels and write the evidence beside them",
        description="Run every proof on each wheel and write WHEEL.evidence.json and, for a CUDA "
        "wheel, WHEEL.evidence.html beside it.",
    )
    parser.add_argument("wheels", nargs="*", type=Path, help="default: dist/*.whl")
    parser.add_argument(
        "--gpu", action="append", default=[], metavar="NAME",
        help="cards to examine (default: one for each sm that the wheel has code for)",
    )  # fmt: skip
    parser.add_argument(
        "--require", action="append", default=[], metavar="CELLS",
        help=f"what must run on the GPU, written {requirement.SYNTAX}; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--against", metavar="OTHER", help="a target that no cell may be worse than, such as stock"
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Prove each wheel; the exit code is the worst of theirs."""
    console = Console()
    requirements = tuple(requirement.parse(text) for text in args.require)
    wheels = args.wheels or sorted(Path("dist").glob("*.whl"))
    if not wheels:
        raise BadInput("there is no wheel to prove", where=Path("dist"), hint="build one first")
    gpus = shadow.find_gpus(args.gpu)
    return worst([prove(w, console, gpus, requirements, args.against) for w in wheels])


def prove(
    wheel: Path,
    console: Console,
    gpus: Sequence[shadow.Gpu],
    requirements: tuple[Requirement, ...],
    against: str | None,
) -> int:
    """Run the proofs of one wheel, write its evidence, and return the exit code.

    Args:
        gpus: cards to examine; none for one of each sm that the wheel has code for.
        against: a target that no cell may be worse than.
    """
    console.rule(wheel.name)
    with open_target(str(wheel)) as target:
        abi = check_target(target, headers=())
        code = read_device_code(target.libraries)
    print_result(abi, console, notes=False, kernels=False)
    proof = None
    if code.fatbins:
        cards = tuple(gpus) or covered_gpus(code)
        proof = prove_dispatch(str(wheel), cards, requirements, against)
        _show(proof, console)
        write_whole(wheel.with_name(wheel.name + ".evidence.html"), _page(proof))
    evidence = wheel.with_name(wheel.name + ".evidence.json")
    write_whole(evidence, json.dumps(_document(wheel, abi, proof), separators=(",", ":")) + "\n")
    console.print(f"evidence: {evidence.name}", soft_wrap=True)
    return worst([abi.exit_code, *([proof.exit_code] if proof is not None else [])])


def covered_gpus(code: DeviceCode) -> tuple[shadow.Gpu, ...]:
    """One card for each sm that the code runs on.

    Raises:
        BadInput: it runs on none of the cards that are known.
    """
    cards = tuple(gpu for gpu in shadow.representatives() if code.runs_on(gpu.sm))
    if not cards:
        raise BadInput(
            "the GPU code runs on no known card",
            where=", ".join(code.archs),
            hint="name a card with --gpu",
        )
    return cards


def prove_dispatch(
    target: str,
    gpus: Sequence[shadow.Gpu],
    requirements: tuple[Requirement, ...],
    against: str | None,
) -> DispatchProof:
    """Examine the default grid, and the cells that are required, on every card."""
    required = {cell for wanted in requirements for cell in wanted.cells}
    cells = tuple(sorted({*cells_of(grid_for(())), *required}))
    evidence = collect(target, gpus, cells, on_progress=_progress(target, len(cells)))
    other = (
        collect(against, gpus, cells, on_progress=_progress(against, len(cells)))
        if against is not None
        else None
    )
    return DispatchProof(
        evidence=evidence,
        requirements=requirements,
        failures=tuple(f for r in requirements for f in requirement.unmet(r, evidence.outcomes)),
        against=other,
        changes=tuple(changes(other.outcomes, evidence.outcomes)) if other is not None else (),
    )


def worst(codes: Sequence[int]) -> int:
    """A defect outweighs what could not be checked, which outweighs what holds."""
    return next((code for code in (DEFECT, NOT_CHECKED) if code in codes), HOLDS)


class _progress:
    """Print a line for each GPU as it is done, and one each quarter of the way."""

    def __init__(self, target: str, total: int) -> None:
        self._target = Path(target).name
        self._total = total
        self._shown: dict[str, int] = {}

    def __call__(self, gpu: str, done: int) -> None:
        quarter = 4 * done // self._total
        if quarter > self._shown.get(gpu, 0):
            self._shown[gpu] = quarter
            print(f"dispatch: {self._target} on {gpu}: {done}/{self._total} cells", flush=True)


def _show(proof: DispatchProof, console: Console) -> None:
    table.print_evidence(proof.evidence, console)
    table.print_aborts(proof.evidence, console)
    if proof.against is not None:
        table.print_changes(proof.against, proof.evidence, proof.changes, console)
    table.print_requirements(proof.requirements, proof.failures, console)


def _page(proof: DispatchProof) -> str:
    comparison = (
        page.Comparison(against=proof.against, changes=proof.changes)
        if proof.against is not None
        else None
    )
    return page.render(
        proof.evidence,
        requirements=proof.requirements,
        failures=proof.failures,
        comparison=comparison,
    )


def _document(wheel: Path, abi: Result, proof: DispatchProof | None) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "version": SCHEMA_VERSION,
        "tool": __version__,
        "wheel": {"name": wheel.name, "sha256": sha256_of(wheel)},
        "abi": abi.json(),
        "dispatch": proof.json() if proof is not None else None,
        "dispatch_missing": None if proof is not None else "the wheel has no GPU code",
    }
