"""The lint of a series: everything that its folder claims, held against what is so."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from build_tools.pin.definition import load_pin, pin_names
from build_tools.series.dep3 import problems_of
from build_tools.series.diff import parse_diff
from build_tools.series.folder import Series, load_series, series_folder
from build_tools.series.lock import LOCK_NAME, SeriesLock, read_lock
from build_tools.series.order import ORDER_NAME, disagreements, read_order
from build_tools.series.staleness import against_lock, result_against_lock
from build_tools.tree.base import laid_base, tree_folder
from llamaproof.errors import BadInput
from llamaproof.reports.outcome import Outcome

_ALSO_ALLOWED = ("README.md",)


@dataclass(frozen=True, kw_only=True)
class LintReport:
    """What a lint found.

    Attributes:
        defects: what is wrong, one sentence each.
        unchecked: what could not be looked at, and why.
    """

    defects: tuple[str, ...] = field(default=())
    unchecked: tuple[str, ...] = field(default=())

    def __bool__(self) -> bool:
        return self.outcome is Outcome.HOLDS

    @property
    def outcome(self) -> Outcome:
        if self.defects:
            return Outcome.DEFECT
        return Outcome.NOT_CHECKED if self.unchecked else Outcome.HOLDS


def lint_series(checkout: Path, pin_name: str) -> LintReport:
    """Lint one series; the parts that need its tree only where the tree is laid out."""
    folder = series_folder(checkout, pin_name)
    defects = [f"{p.name} does not belong here" for p in _strays(folder)]
    if pin_name not in pin_names(checkout):
        defects.append(f"no pin is called {pin_name}")
    disagree = disagreements(folder, read_order(folder))
    if disagree:
        unchecked = "headers, hunks, lock and result: order file and folder disagree"
        return LintReport(defects=(*defects, *disagree), unchecked=(unchecked,))
    try:
        series = load_series(folder)
        lock = read_lock(folder)
    except BadInput as error:
        return LintReport(defects=(*defects, str(error)), unchecked=("the result",))
    broken = _broken_patches(series)
    defects += broken
    defects += [f"{p.name}: {problem}" for p in series.patches for problem in problems_of(p.header)]
    defects += [str(stale) for stale in against_lock(series, lock, pin_name)]
    if broken or pin_name not in pin_names(checkout):
        return LintReport(defects=tuple(defects), unchecked=("whether the patches apply",))
    result = _lint_result(checkout, pin_name, series, lock)
    return LintReport(defects=(*defects, *result.defects), unchecked=result.unchecked)


def series_names(checkout: Path) -> tuple[str, ...]:
    """The pins that have a series."""
    folders = (checkout / "patches").glob("[!.]*")
    return tuple(sorted(folder.name for folder in folders if folder.is_dir()))


def _lint_result(
    checkout: Path, pin_name: str, series: Series, lock: SeriesLock | None
) -> LintReport:
    pin = load_pin(checkout, pin_name)
    repository = laid_base(pin, tree_folder(checkout, pin_name))
    if repository is None:
        why = "whether the patches apply and give the locked tree: no tree is laid out"
        return LintReport(unchecked=(f"{why} (`series apply` does)",))
    return LintReport(defects=tuple(map(str, result_against_lock(repository, series, lock))))


def _broken_patches(series: Series) -> list[str]:
    found = []
    for patch in series.patches:
        try:
            parse_diff(patch)
        except BadInput as error:
            found.append(error.what)
    return found


def _strays(folder: Path) -> list[Path]:
    known = {ORDER_NAME, LOCK_NAME, *_ALSO_ALLOWED}
    present = folder.iterdir() if folder.is_dir() else ()
    return sorted(p for p in present if p.name not in known and p.suffix != ".patch")
