"""Two targets side by side: what got better, worse, or different."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.placement.outcome import ORDER, CellOutcome, KernelUse
from llamaproof.placement.survey import Survey, outcome_json

ChangeVerdict = Literal["same", "better", "worse", "different"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A cell that two targets treat differently."""

    gpu: str
    cell: Cell
    verdict: ChangeVerdict
    before: CellOutcome
    after: CellOutcome


def changes(
    before: Mapping[str, Mapping[Cell, CellOutcome]],
    after: Mapping[str, Mapping[Cell, CellOutcome]],
) -> tuple[Change, ...]:
    """Every cell, by GPU, on which two targets differ; only cells that both have."""
    found = []
    for gpu, outcomes in after.items():
        known = before.get(gpu, {})
        for cell, outcome in outcomes.items():
            earlier = known.get(cell)
            if earlier is None:
                continue
            verdict = compare(earlier, outcome)
            if verdict != "same":
                found.append(
                    Change(gpu=gpu, cell=cell, verdict=verdict, before=earlier, after=outcome)
                )
    return tuple(found)


def changes_json(against: Survey, changes: Sequence[Change]) -> dict[str, Any]:
    """The comparison with another target; cells that are the same are left out.

    Each row of `changes` is [GPU, verdict, before, after, cell]: before and after are indices into
    this comparison's own `outcomes`, the cell is a row in the order of `cell_columns`.
    """
    index: dict[CellOutcome, int] = {}
    lines = [
        [
            change.gpu,
            change.verdict,
            index.setdefault(change.before, len(index)),
            index.setdefault(change.after, len(index)),
            rows.to_row(change.cell),
        ]
        for change in changes
    ]
    counts = {
        verdict: sum(change.verdict == verdict for change in changes)
        for verdict in ("better", "worse", "different")
    }
    return {
        "against": {
            "name": against.target,
            "version": against.version,
            "sha256": against.sha256,
        },
        "counts": counts,
        "outcomes": [outcome_json(outcome) for outcome in index],
        "changes": lines,
    }


def compare(before: CellOutcome, after: CellOutcome) -> ChangeVerdict:
    """How `after` stands to `before`.

    A kernel is better than the CPU, and the CPU better than an abort. Of two kernels one is better
    when it computes no more columns for nothing and reads K no more often, and one of both less;
    where these two pull apart, or a tile is not known, they are different: neither figure is time.
    So they are where K is read more often and is loaded further ahead: a kernel that waits for K
    and one that does not are not told apart by how often they read it.
    """
    if before.kind != after.kind:
        return "better" if ORDER.index(after.kind) > ORDER.index(before.kind) else "worse"
    if before.use is None or after.use is None:
        return "same"
    return _compare_kernels(before.use, after.use)


def _compare_kernels(before: KernelUse, after: KernelUse) -> ChangeVerdict:
    if not before.columns or not after.columns:
        return "same" if before.kernel == after.kernel else "different"
    columns = after.columns - before.columns
    k_passes = after.k_passes - before.k_passes
    if columns == 0 and k_passes == 0:
        return "same" if _design(before) == _design(after) else "different"
    fewer, more = sorted((before, after), key=lambda use: use.k_passes)
    if columns == 0 and more.kernel.stages > fewer.kernel.stages > 0:
        return "different"
    if columns <= 0 and k_passes <= 0:
        return "better"
    if columns >= 0 and k_passes >= 0:
        return "worse"
    return "different"


def _design(use: KernelUse) -> tuple[str, int, int]:
    """What makes two kernels the same choice, whatever parameters a release gives the template."""
    return use.kernel.family, use.kernel.ncols1, use.kernel.ncols2
