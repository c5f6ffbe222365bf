"""The proof of where attention runs, as a section of the evidence."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaproof import shadow
from llamaproof.abi.device import DeviceCode
from llamaproof.attention.cell import Cell
from llamaproof.attention.grid import cells_of, grid_for
from llamaproof.dispatch import html, terminal
from llamaproof.dispatch.proof import DispatchProof, assemble
from llamaproof.dispatch.requirement import Requirement
from llamaproof.placement.by_model import MODEL_CELLS
from llamaproof.placement.on_shadow import collect
from llamaproof.placement.survey import Survey
from llamaproof.prove.cards import code_of, named, split_by_code
from llamaproof.prove.section import Section
from llamaproof.reports.outcome import Outcome, worst
from llamaproof.reports.printer import Printer
from llamaproof.reports.progress import progress
from llamaproof.spread.carrier import HERE, Carrier

NAME = "dispatch"
TITLE = "Where attention runs"


def prove_placement(
    wheel: Path,
    code: DeviceCode,
    cards: Sequence[shadow.Gpu],
    requirements: Sequence[Requirement],
    against: str | None,
    printer: Printer,
    carrier: Carrier = HERE,
) -> Section:
    """Examine the default grid, and the cells of familiar models and requirements, on every card.

    A card that the wheel has no code for is a defect, one that the other target has none for
    could not be compared; neither is examined. A requirement that names a card without code is
    not judged beside that defect.

    Raises:
        LlamaproofError: a target could not be examined.
    """
    served, unserved = split_by_code(code, cards)
    gaps = [_no_code(unserved)] if unserved else []
    if not served:
        return _section(gaps, unserved, None)
    judged = [wanted for wanted in requirements if not _names_any(wanted, unserved)]
    cells = examined_cells(judged)
    survey = _collect(str(wheel), served, cells, carrier)
    other = None
    if against is not None:
        comparable, uncomparable = split_by_code(code_of(against), served)
        other = _collect(against, comparable, cells, carrier) if comparable else None
        gaps += [_not_compared(against, uncomparable)] if uncomparable else []
    proof = assemble(survey, judged, other)
    terminal.print_proof(proof, printer)
    return _section(gaps, unserved, proof)


def _names_any(wanted: Requirement, cards: Sequence[shadow.Gpu]) -> bool:
    return wanted.gpus is not None and any(gpu.name in wanted.gpus for gpu in cards)


@dataclass(frozen=True, kw_only=True)
class _Gap:
    """What could not be proved of some cards, and what that comes to."""

    outcome: Outcome
    words: str


def _no_code(cards: Sequence[shadow.Gpu]) -> _Gap:
    words = f"the wheel has no code that runs on {named(cards)}"
    return _Gap(outcome=Outcome.DEFECT, words=words)


def _not_compared(against: str, cards: Sequence[shadow.Gpu]) -> _Gap:
    words = f"not compared: {Path(against).name} has no code for {named(cards)}"
    return _Gap(outcome=Outcome.NOT_CHECKED, words=words)


def _section(
    gaps: Sequence[_Gap], unserved: Sequence[shadow.Gpu], proof: DispatchProof | None
) -> Section:
    """The section of what was proved; without a proof, of the gaps alone."""
    section = Section(
        name=NAME,
        title=TITLE,
        outcome=worst(gap.outcome for gap in gaps),
        words="; ".join(gap.words for gap in gaps),
        document={"no_code_for": [{"gpu": gpu.name, "sm": gpu.sm} for gpu in unserved]},
    )
    if proof is None:
        return section
    return dataclasses.replace(
        section,
        outcome=worst((proof.outcome, *(gap.outcome for gap in gaps))),
        words="; ".join((*(gap.words for gap in gaps), *_words(proof))),
        document={**(section.document or {}), **proof.json()},
        blocks=tuple(html.proof_blocks(proof)),
        answer=tuple(html.answer_blocks(proof)),
        models=proof.models,
    )


def examined_cells(requirements: Sequence[Requirement]) -> tuple[Cell, ...]:
    """The default grid, and what familiar models and the requirements ask beyond it."""
    required = {cell for wanted in requirements for cell in wanted.cells}
    return tuple(sorted({*cells_of(grid_for(())), *MODEL_CELLS, *required}))


def _collect(
    target: str, cards: Sequence[shadow.Gpu], cells: tuple[Cell, ...], carrier: Carrier
) -> Survey:
    what = f"where attention runs: {Path(target).name}"
    with progress(what, len(cards) * len(cells)) as tell:
        return collect(target, cards, cells, on_progress=tell, carrier=carrier)


def _words(proof: DispatchProof) -> list[str]:
    cards = ", ".join(f"{report.gpu} (sm_{report.sm})" for report in proof.survey.reports)
    words = [f"{len(proof.survey.cells)} cells examined on each of {cards}"]
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
