"""The proof that attention computes what it should: kernels executed, held against float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llamaproof import shadow
from llamaproof.abi.device import DeviceCode
from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.attention.error import MAX_NMSE, MAX_ROW_NMSE
from llamaproof.attention.families import RANDOM
from llamaproof.attention.grid import cells_of
from llamaproof.emulator.results import (
    CellResult,
    CellVerdict,
    EmulationEvidence,
    result_json,
)
from llamaproof.emulator.run import emulate
from llamaproof.emulator.shapes import PROOF_SHAPES
from llamaproof.errors import LlamaproofError
from llamaproof.prove.cards import code_of, named, split_by_code
from llamaproof.prove.section import Section
from llamaproof.prove.stress import StressRun, load_stress
from llamaproof.reports.blocks import Block, Heading, Paragraph, Table, Tone
from llamaproof.reports.outcome import Outcome, worst
from llamaproof.reports.printer import Printer
from llamaproof.reports.progress import progress
from llamaproof.spread.carrier import HERE, Carrier

NAME = "numbers"
TITLE = "Attention computes what it is defined to be"

_EXECUTED = (CellVerdict.HOLDS, CellVerdict.WRONG, CellVerdict.FINDINGS, CellVerdict.ABORTS)
_HEAD = (
    "card",
    "target",
    "inputs",
    "head sizes",
    "K/V",
    "ratios",
    "cells",
    "verdict",
    "largest NMSE",
)
_SAID = {
    CellVerdict.HOLDS: "cells hold",
    CellVerdict.WRONG: "are wrong",
    CellVerdict.FINDINGS: "do what a kernel must not",
    CellVerdict.ABORTS: "abort",
    CellVerdict.FALLS_BACK: "fall back to the CPU",
    CellVerdict.NOT_TAKEN: "are of a cache length that this release does not make",
    CellVerdict.NOT_CHECKED: "could not be checked",
}
_TONES: dict[CellVerdict, Tone] = {
    CellVerdict.HOLDS: "good",
    CellVerdict.FALLS_BACK: "",
    CellVerdict.NOT_TAKEN: "",
    CellVerdict.NOT_CHECKED: "open",
}
_SILENT = (CellVerdict.HOLDS, CellVerdict.FALLS_BACK, CellVerdict.NOT_TAKEN)
_LONGEST_LIST = 12
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Executed:
    """A target's kernels as one card would run them, on one family of inputs.

    Attributes:
        gpu: as it was played.
        whole: it had as many multiprocessors as the card has.
        evidence: None where they could not be executed; `why` says it.
        judged: the target is the wheel itself, and not what it is compared with.
        reasons: what these shapes alone can find, with these inputs.
    """

    gpu: shadow.Gpu
    target: str
    judged: bool
    evidence: EmulationEvidence | None
    inputs: str = RANDOM.name
    whole: bool = True
    reasons: tuple[str, ...] = ()
    why: str = ""

    @property
    def outcome(self) -> Outcome:
        """What this says of the wheel.

        Shapes that are there for a reason of their own may all fall back, and are then no failure.
        Where the target compared with is wrong, the emulator or the release is: the wheel's own
        numbers are then in doubt, and no defect of it.
        """
        if self.evidence is None or not (self.number_executed or self.reasons):
            return Outcome.NOT_CHECKED
        if self.evidence.outcome is Outcome.DEFECT:
            return Outcome.DEFECT if self.judged else Outcome.NOT_CHECKED
        return self.evidence.outcome

    @property
    def number_executed(self) -> int:
        if self.evidence is None:
            return 0
        return sum(result.verdict in _EXECUTED for result in self.evidence.results.values())

    @property
    def filled(self) -> str:
        """The inputs, and how many multiprocessors the card was played with where it was fewer."""
        return self.inputs if self.whole else f"{self.inputs}, {self.gpu.multiprocessors} SM"

    @property
    def words(self) -> str:
        if self.evidence is None:
            what = f"{self.target} on {self.filled} inputs"
            return f"{self.gpu.name}: {what} could not be executed: {self.why}"
        found = [f"{n} {_SAID[v]}" for v in CellVerdict if (n := self.evidence.number_of(v))]
        errors = [r.nmse for r in self.evidence.results.values() if r.launches]
        largest = f", largest NMSE {max(errors):.1e} of at most {MAX_NMSE:.0e}" if errors else ""
        better = sum(r.right_where_the_cpu_is_wrong for r in self.evidence.results.values())
        if better:
            found.append(f"{better} of them right where ggml's CPU backend is wrong")
        whose = "" if self.judged else f"{self.target}: "
        return f"{self.gpu.name}: {whose}{self.filled} inputs: {', '.join(found)}{largest}"

    def json(self) -> dict[str, Any]:
        evidence = self.evidence
        cells = (
            []
            if evidence is None
            else [
                {**_cell_json(cell, result), **evidence.masked_json(cell)}
                for cell, result in evidence.results.items()
            ]
        )
        return {
            "gpu": self.gpu.name,
            "sm": self.gpu.sm,
            "target": self.target,
            "sha256": self.evidence.sha256 if self.evidence is not None else None,
            "inputs": self.inputs,
            "multiprocessors": self.gpu.multiprocessors,
            "reasons": list(self.reasons),
            "outcome": self.outcome.value,
            "words": self.words,
            "cells": cells,
        }


def prove_numbers(
    wheel: Path,
    code: DeviceCode,
    cards: Sequence[shadow.Gpu],
    against: str | None,
    printer: Printer,
    carrier: Carrier = HERE,
) -> Section:
    """Execute a defined set of shapes for each card: the wheel, then the target compared with.

    Args:
        cards: whose kernels are executed; one that the wheel has no code for is a defect.
    """
    served, unserved = split_by_code(code, cards)
    executed = list(_execute_each(wheel, served, against, carrier))
    words = [one.words for one in executed]
    if unserved:
        words.insert(0, f"the wheel has no code that runs on {named(unserved)}")
    printer.table(_table(executed))
    for line in list(_findings(executed))[:_SHOWN]:
        printer.line(line, tone="bad")
    outcomes = [*(one.outcome for one in executed), *([Outcome.DEFECT] if unserved else [])]
    return Section(
        name=NAME,
        title=TITLE,
        outcome=worst(outcomes),
        words="; ".join(words),
        document={
            "nmse_limit": MAX_NMSE,
            "row_nmse_limit": MAX_ROW_NMSE,
            "reference": "float64",
            "left_out": [{"what": x.what, "reason": x.reason} for x in load_stress().left_out],
            "columns": list(rows.COLUMNS),
            "no_code_for": [{"gpu": gpu.name, "sm": gpu.sm} for gpu in unserved],
            "executed": [one.json() for one in executed],
        },
        blocks=tuple(_blocks(words, executed)),
    )


def _execute_each(
    wheel: Path, cards: Sequence[shadow.Gpu], against: str | None, carrier: Carrier
) -> Iterator[Executed]:
    """For each card the wheel, and after it what it is compared with."""
    other = code_of(against) if against is not None else None
    for gpu in cards:
        for run in proof_runs():
            yield _execute(str(wheel), gpu, run, carrier, judged=True)
        if against is not None and other is not None:
            yield _execute_other(against, other, gpu, carrier)


def proof_runs() -> Iterator[StressRun]:
    """What is executed for a card: the shapes of every proof, then what stress.toml asks for."""
    yield StressRun(
        family=RANDOM,
        multiprocessors=None,
        cells=cells_of(PROOF_SHAPES),
        reasons=(),
    )
    yield from load_stress().runs


def _execute_other(against: str, code: DeviceCode, gpu: shadow.Gpu, carrier: Carrier) -> Executed:
    """What the wheel is compared with; under stress it need not hold."""
    if code.runs_on(gpu.sm):
        return _execute(against, gpu, next(proof_runs()), carrier, judged=False)
    why = f"it has no code for sm_{gpu.sm}"
    return Executed(gpu=gpu, target=Path(against).name, judged=False, evidence=None, why=why)


def _execute(
    target: str, card: shadow.Gpu, run: StressRun, carrier: Carrier, *, judged: bool
) -> Executed:
    gpu, name = run.on(card), Path(target).name
    executed = Executed(
        gpu=gpu, target=name, judged=judged, evidence=None, inputs=run.family.name,
        whole=run.multiprocessors is None, reasons=run.reasons,
    )  # fmt: skip
    try:
        with progress(f"numbers: {name}, {executed.filled} inputs", len(run.cells)) as tell:
            found = emulate(
                target, gpu, run.cells, family=run.family, on_progress=tell, carrier=carrier
            )
    except LlamaproofError as error:
        return replace(executed, why=" ".join(str(error).split()))
    return replace(executed, evidence=found)


def _cell_json(cell: Cell, result: CellResult) -> dict[str, Any]:
    document = result_json(cell, result)
    if result.launches:
        document["findings"] = [*result.undefined_reads, *map(str, result.findings)]
        document["kernels"] = [f"{x.kernel} (PTX of sm_{x.ptx_sm})" for x in result.launches]
    return document


def _groups(
    executed: Sequence[Executed],
) -> Iterator[tuple[Executed, CellVerdict, list[tuple[Cell, CellResult]]]]:
    """Cells of one card, target, head sizes, type and verdict."""
    for one in executed:
        if one.evidence is None:
            continue
        found: dict[tuple[Any, ...], list[tuple[Cell, CellResult]]] = {}
        for cell, result in one.evidence.results.items():
            key = (cell.heads, cell.types, list(CellVerdict).index(result.verdict))
            found.setdefault(key, []).append((cell, result))
        for key in sorted(found):
            yield one, found[key][0][1].verdict, found[key]


def _table(executed: Sequence[Executed]) -> Table:
    return Table(
        head=_HEAD,
        rows=_rows(executed),
        figures=("cells", "largest NMSE"),
        tones=[_TONES.get(verdict, "worst") for _, verdict, _ in _groups(executed)],
    )


def _rows(executed: Sequence[Executed]) -> list[list[str]]:
    return [
        [
            one.gpu.name,
            "wheel" if one.judged else "compared with",
            one.filled,
            str(group[0][0].heads),
            group[0][0].types,
            _listed(sorted({cell.ratio for cell, _ in group})),
            str(len(group)),
            verdict.value,
            f"{max(r.nmse for _, r in group):.1e}" if any(r.launches for _, r in group) else "-",
        ]
        for one, verdict, group in _groups(executed)
    ]


def _listed(ratios: Sequence[int]) -> str:
    if len(ratios) <= _LONGEST_LIST:
        return ",".join(map(str, ratios))
    rest = [str(ratio) for ratio in ratios if ratio % 4]
    fours = [ratio for ratio in ratios if ratio % 4 == 0]
    if len(rest) > _LONGEST_LIST or fours != list(range(4, fours[-1] + 1, 4)):
        return f"{len(ratios)} of {ratios[0]} to {ratios[-1]}"
    return ",".join([*rest, f"%4 to {fours[-1]}"])


def _findings(executed: Sequence[Executed]) -> Iterator[str]:
    for one, verdict, group in _groups(executed):
        if verdict in _SILENT:
            continue
        for cell, result in group:
            what = [result.message, *result.undefined_reads, *map(str, result.findings)]
            if verdict is CellVerdict.WRONG:
                what.append(result.error_words)
            said = "; ".join(word for word in what if word)
            yield (
                f"{one.gpu.name}: {one.target}: {cell}, {one.filled} inputs, "
                f"{verdict.value}: {said}"
            )


def _blocks(words: Sequence[str], executed: Sequence[Executed]) -> Iterator[Block]:
    yield Paragraph(
        text="The wheel's own kernels were carried out from their PTX on the CPU, every memory "
        "access and barrier checked, and the result compared with attention in float64: the "
        f"normalised mean squared error (NMSE) may be at most {MAX_NMSE:g}, ggml's own limit, and "
        f"that of a row (one head of one token) {MAX_ROW_NMSE:g}. The error of ggml's CPU backend "
        "stands beside it. A shape that falls back to the CPU has no kernel to execute."
    )
    yield from (Paragraph(text=line) for line in words)
    yield _table(executed)
    yield Heading(text="Families of inputs, and what each alone can find", level=3)
    yield Table(
        head=("inputs", "what is looked for"),
        rows=[[one.filled, "; ".join(one.reasons)] for one in executed if one.reasons],
    )
    yield Heading(text="What was left out", level=3)
    yield Table(head=("what", "why"), rows=[[x.what, x.reason] for x in load_stress().left_out])
    found = list(_findings(executed))
    if found:
        yield Heading(text="What was found", level=3)
        yield Table(head=("cell by cell",), rows=[[line] for line in found])
