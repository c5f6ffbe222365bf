"""A series tried on another pin: what still applies there, and why the rest does not."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from build_tools.pin.definition import Pin
from build_tools.progress import Report
from build_tools.series.commits import PatchDoesNotApply, commit_patches, is_there_already
from build_tools.series.diff import parse_diff
from build_tools.series.folder import Series
from build_tools.series.patch import PatchFile
from build_tools.series.rewrite import rewrite_series
from build_tools.tree.repository import Repository
from llamaproof.errors import BadInput


class Outcome(enum.Enum):
    """How a patch fares on another tree."""

    APPLIES = "applies"
    APPLIES_ELSEWHERE = "applies, its lines have moved"
    THERE_ALREADY = "is there already"
    DOES_NOT_APPLY = "does not apply"


@dataclass(frozen=True, kw_only=True)
class PortedPatch:
    """A patch on another tree: how it fares, and the particulars in words."""

    patch: PatchFile
    outcome: Outcome
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PortReport:
    """A whole series on another tree; true when nothing of it is lost there."""

    patches: tuple[PortedPatch, ...]

    def __bool__(self) -> bool:
        return all(p.outcome is not Outcome.DOES_NOT_APPLY for p in self.patches)

    @property
    def carried(self) -> tuple[PatchFile, ...]:
        """The patches that the other pin's series would have."""
        wanted = (Outcome.APPLIES, Outcome.APPLIES_ELSEWHERE)
        return tuple(p.patch for p in self.patches if p.outcome in wanted)


def try_series(repository: Repository, series: Series) -> PortReport:
    """Try each patch on a tree's base, on top of those before it that apply. Changes nothing.

    No fuzz: a hunk may stand at another line, but every one of its lines must be there.
    """
    tried: list[PortedPatch] = []
    parent = repository.base
    for patch in series.patches:
        result, parent = _try(repository, patch, parent, tried)
        tried.append(result)
    return PortReport(patches=tuple(tried))


def write_ported(
    repository: Repository, there: Series, pin: Pin, tried: PortReport, report: Report
) -> None:
    """Make what applies the other pin's series, its tree and lock included.

    Args:
        there: the other pin's series as it is; it must have no patches.

    Raises:
        BadInput: a patch does not apply, or the pin has a series already.
    """
    lost = [p.patch.name for p in tried.patches if p.outcome is Outcome.DOES_NOT_APPLY]
    if lost:
        raise BadInput(
            f"not ported: {', '.join(lost)}",
            where=there.folder,
            hint="rewrite these for the new pin, or drop them; nothing was written",
        )
    if there.patches:
        raise BadInput(f"{pin.name} has a series already", where=there.folder)
    rewrite_series(repository, there.with_patches(tried.carried), pin, report)


def _try(
    repository: Repository, patch: PatchFile, parent: str, before: Sequence[PortedPatch]
) -> tuple[PortedPatch, str]:
    try:
        applied = commit_patches(repository, [patch], onto=parent)[0]
    except PatchDoesNotApply as error:
        if is_there_already(repository, patch, parent):
            return PortedPatch(patch=patch, outcome=Outcome.THERE_ALREADY), parent
        reasons = (*error.reasons, *_missing_before(patch, before))
        return PortedPatch(patch=patch, outcome=Outcome.DOES_NOT_APPLY, reasons=reasons), parent
    outcome = Outcome.APPLIES_ELSEWHERE if applied.offsets else Outcome.APPLIES
    return PortedPatch(patch=patch, outcome=outcome, reasons=applied.offsets), applied.commit


def _missing_before(patch: PatchFile, before: Sequence[PortedPatch]) -> tuple[str, ...]:
    """Patches that did not apply and that this one may stand on: they change a file of its."""
    files = {diff.path for diff in parse_diff(patch)}
    return tuple(
        f"it changes files that {other.patch.name}, which does not apply, changes too"
        for other in before
        if other.outcome is Outcome.DOES_NOT_APPLY
        and files & {diff.path for diff in parse_diff(other.patch)}
    )
