"""The proof of where attention runs, as a section of the evidence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from llamaproof import shadow
from llamaproof.abi.device import DeviceCode, read_device_code
from llamaproof.attention.cell import Cell
from llamaproof.attention.grid import cells_of, grid_for
from llamaproof.dispatch import html, terminal
from llamaproof.dispatch.proof import DispatchProof, assemble
from llamaproof.dispatch.requirement import Requirement
from llamaproof.placement.by_model import MODEL_CELLS
from llamaproof.placement.on_shadow import collect
from llamaproof.placement.survey import Survey
from llamaproof.prove.cards import named
from llamaproof.prove.section import Section
from llamaproof.reports.outcome import Outcome, worst
from llamaproof.reports.printer import Printer
from llamaproof.reports.progress import Progress
from llamaproof.target import open_target

NAME = "dispatch"
TITLE = "Where attention runs"


def prove_placement(
    wheel: Path,
    code: DeviceCode,
    cards: Sequence[shadow.Gpu],
    requirements: Sequence[Requirement],
    against: str | None,
    printer: Printer,
) -> Section:
    """Examine the default grid, and the cells of familiar models and requirements, on every card.

    A card that the wheel has no code for is a defect, one that the other target has none for
    could not be compared; neither is examined.

    Raises:
        LlamaproofError: a target could not be examined.
    """
    served = [gpu for gpu in cards if code.runs_on(gpu.sm)]
    cells = examined_cells(requirements)
    outcomes, words, proof = [], [], None
    if served:
        other, compared = None, []
        evidence = _collect(str(wheel), served, cells)
        if against is not None:
            compared = cards_of(against, served)
            other = _collect(against, compared, cells) if compared else None
        proof = assemble(evidence, requirements, other)
        terminal.print_proof(proof, printer)
        outcomes.append(proof.outcome)
        words += _words(proof, served)
        uncompared = [gpu for gpu in served if gpu not in compared] if against else []
        if uncompared:
            outcomes.append(Outcome.NOT_CHECKED)
            words.append(f"not compared: {Path(str(against)).name} has no code for "
                         f"{named(uncompared)}")  # fmt: skip
    unserved = [gpu for gpu in cards if gpu not in served]
    if unserved:
        outcomes.append(Outcome.DEFECT)
        words.insert(0, f"the wheel has no code that runs on {named(unserved)}")
    return Section(
        name=NAME,
        title=TITLE,
        outcome=worst(outcomes),
        words="; ".join(words),
        document={
            "no_code_for": [{"gpu": gpu.name, "sm": gpu.sm} for gpu in unserved],
            **(proof.json() if proof is not None else {}),
        },
        blocks=tuple(html.proof_blocks(proof)) if proof is not None else (),
        answer=tuple(html.answer_blocks(proof)) if proof is not None else (),
        models=proof.models if proof is not None else (),
    )


def examined_cells(requirements: Sequence[Requirement]) -> tuple[Cell, ...]:
    """The default grid, and what familiar models and the requirements ask beyond it."""
    required = {cell for wanted in requirements for cell in wanted.cells}
    return tuple(sorted({*cells_of(grid_for(())), *MODEL_CELLS, *required}))


def cards_of(target: str, cards: Sequence[shadow.Gpu]) -> list[shadow.Gpu]:
    """Those of the cards that a target has code for."""
    with open_target(target) as opened:
        code = read_device_code(opened.libraries)
    return [gpu for gpu in cards if code.runs_on(gpu.sm)]


def _collect(target: str, cards: Sequence[shadow.Gpu], cells: tuple[Cell, ...]) -> Survey:
    progress = Progress(time.monotonic(), None)
    order = {gpu.name: index for index, gpu in enumerate(cards)}

    def on_progress(gpu: str, done: int) -> None:
        progress(
            order[gpu] * len(cells) + done,
            len(cards) * len(cells),
            f"where attention runs: {Path(target).name} on {gpu}",
        )

    return collect(target, cards, cells, on_progress=on_progress)


def _words(proof: DispatchProof, served: Sequence[shadow.Gpu]) -> list[str]:
    words = [f"{len(proof.survey.cells)} cells examined on each of {named(served)}"]
    failed = {failure.requirement.text for failure in proof.failures}
    for wanted in proof.requirements:
        words.append(f"{wanted.text} {'does not hold' if wanted.text in failed else 'holds'}")
    if not proof.requirements:
        words.append("nothing was required of them")
    if proof.against is not None:
        better = sum(change.verdict == "better" for change in proof.changes)
        words.append(
            f"{better} cells are better and {proof.worse} worse than in {proof.against.target}"
        )
    return words
