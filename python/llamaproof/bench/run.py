"""A run: targets interleaved cell by cell and round by round, within a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Protocol

from llamaproof.bench.ceilings import Ceilings
from llamaproof.bench.cells import Cell
from llamaproof.bench.check import CheckResult
from llamaproof.bench.clocks import THROTTLE_SHARE
from llamaproof.bench.record import CellResult, Record, Status
from llamaproof.bench.samples import Round
from llamaproof.bench.stats import is_converged, rounds_needed
from llamaproof.bench.worker import Opened, WorkerDied
from llamaproof.bench.workload import OutOfMemory
from llamaproof.errors import LlamaproofError

# With fewer rounds of each build no comparison reaches a verdict.
LEAST_ROUNDS = rounds_needed()
MOST_ROUNDS = 30
# Beyond this a cell's noise is taken as it is.
CELL_LIMIT_S = 5.0
_SAVE_EVERY_S = 10.0


class Measurer(Protocol):
    """What a run asks of a worker."""

    def open(self, cell: Cell) -> Opened: ...
    def round(self) -> Round: ...
    def close(self) -> None: ...
    def check(self, cell: Cell) -> CheckResult | None: ...
    def ceilings(self) -> Ceilings: ...
    def end(self) -> None: ...


Start = Callable[[int], Measurer]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long a run may take.

    Attributes:
        deadline: on `time.monotonic`; None for no limit.
        least_rounds, most_rounds: of each cell and target.
        cell_s: seconds of rounds after which a cell is left with the noise it has.
    """

    deadline: float | None = None
    least_rounds: int = LEAST_ROUNDS
    most_rounds: int = MOST_ROUNDS
    cell_s: float = CELL_LIMIT_S

    @property
    def is_over(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline


class Run:
    """Measures cells on several targets at once, and survives what they do.

    Args:
        start: starts a worker for the target of an index.
        record: results go here; cells it already has are not measured again.
        save_to: the record is written here every few seconds and at the end.
        progress: called with cells done, cells in all, and what is being done.
    """

    def __init__(
        self,
        *,
        start: Start,
        record: Record,
        workers: Sequence[Measurer],
        limits: Limits,
        save_to: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._start = start
        self._record = record
        self._workers = list(workers)
        self._limits = limits
        self._save_to = save_to
        self._saved = time.monotonic()
        self._progress = progress or (lambda _done, _total, _what: None)
        self._top_clock = 0

    @property
    def workers(self) -> Sequence[Measurer]:
        """The workers as they are now: one that died has been replaced."""
        return self._workers

    def measure(self, cells: Sequence[Cell]) -> None:
        """Measure the cells in order; what the time limit cuts is recorded as left out.

        The record is saved also when this ends by an exception, an interrupt among them.
        """
        try:
            for done, cell in enumerate(cells):
                self._progress(done, len(cells), cell.label)
                wanted = [i for i in range(len(self._workers)) if not self._record.final(i, cell)]
                if self._limits.is_over:
                    self._leave_out(wanted, cell, "the time limit was reached")
                elif wanted:
                    self._measure_cell(cell, wanted)
                self._save(now=False)
            self._progress(len(cells), len(cells), "")
            self._record.complete = not self._limits.is_over
        finally:
            self._save(now=True)

    def check(self, cells: Sequence[Cell]) -> Iterator[tuple[int, Cell, CheckResult | str]]:
        """Compare results with the CPU's, cell by cell; text says why there is no comparison."""
        for done, cell in enumerate(cells):
            for target in range(len(self._workers)):
                if self._limits.is_over:
                    yield target, cell, "left out: the time limit was reached"
                    continue
                self._progress(done, len(cells), cell.label)
                yield target, cell, self._check_cell(target, cell)
        self._progress(len(cells), len(cells), "")

    def _check_cell(self, target: int, cell: Cell) -> CheckResult | str:
        try:
            result = self._workers[target].check(cell)
        except WorkerDied as error:
            self._restart(target)
            return f"aborts: {_last_words(error)}"
        except LlamaproofError as error:
            return f"could not be checked: {error.what}"
        return result if result is not None else "falls back: supports_op refuses it"

    def _measure_cell(self, cell: Cell, wanted: Sequence[int]) -> None:
        opened: dict[int, Opened] = {}
        rounds: dict[int, list[Round]] = {}
        for target in wanted:
            ready = self._open(target, cell)
            if ready is not None:
                opened[target], rounds[target] = ready, []
        started = time.monotonic()
        while opened and not self._has_enough(rounds, time.monotonic() - started):
            for target in list(opened):
                self._round(target, cell, opened, rounds)
        for target, ready in opened.items():
            self._keep(target, cell, ready, rounds[target])
            self._workers[target].close()

    def _open(self, target: int, cell: Cell) -> Opened | None:
        try:
            ready = self._workers[target].open(cell)
        except WorkerDied as error:
            self._put(target, cell, "aborts", _last_words(error))
            self._restart(target)
            return None
        except OutOfMemory as error:
            self._put(target, cell, "left out", f"not enough device memory: {error.what}")
            return None
        except LlamaproofError as error:
            self._put(target, cell, "failed", error.what)
            return None
        if not ready.supported:
            reason = "supports_op refuses the node: llama.cpp runs it on the CPU"
            self._put(target, cell, "falls back", reason)
            return None
        return ready

    def _round(
        self,
        target: int,
        cell: Cell,
        opened: dict[int, Opened],
        rounds: dict[int, list[Round]],
    ) -> None:
        try:
            rounds[target].append(self._workers[target].round())
        except WorkerDied as error:
            self._put(target, cell, "aborts", _last_words(error))
            self._restart(target)
            del opened[target], rounds[target]
        except LlamaproofError as error:
            self._put(target, cell, "failed", error.what)
            del opened[target], rounds[target]

    def _has_enough(self, rounds: dict[int, list[Round]], seconds: float) -> bool:
        fewest = min(len(taken) for taken in rounds.values())
        if fewest >= self._limits.most_rounds or self._limits.is_over:
            return True
        if fewest < self._limits.least_rounds:
            return False
        return seconds >= self._limits.cell_s or all(
            is_converged([median(r.samples) for r in taken]) for taken in rounds.values()
        )

    def _keep(self, target: int, cell: Cell, ready: Opened, taken: Sequence[Round]) -> None:
        clocks = [r.clock.sm_mhz for r in taken if r.clock is not None]
        self._top_clock = max([self._top_clock, *clocks])
        kept = tuple(r for r in taken if not self._is_throttled(r))
        if len(kept) < self._limits.least_rounds:
            cut = len(taken) < self._limits.least_rounds
            reason = (
                "the time limit was reached"
                if cut
                else f"the clocks were held down in {len(taken) - len(kept)} of {len(taken)} rounds"
            )
            self._put(target, cell, "left out", reason)
            return
        self._record.put(
            CellResult(
                target=target,
                cell=cell,
                status="measured",
                rounds=kept,
                dropped=len(taken) - len(kept),
                n_layers=ready.n_layers,
                least_bytes=ready.least_bytes,
            )
        )

    def _is_throttled(self, taken: Round) -> bool:
        clock = taken.clock
        if clock is None:
            return False
        return clock.held_down or clock.sm_mhz < THROTTLE_SHARE * self._top_clock

    def _leave_out(self, targets: Sequence[int], cell: Cell, reason: str) -> None:
        for target in targets:
            self._put(target, cell, "left out", reason)

    def _put(self, target: int, cell: Cell, status: Status, reason: str) -> None:
        self._record.put(CellResult(target=target, cell=cell, status=status, reason=reason))

    def _restart(self, target: int) -> None:
        self._workers[target].end()
        self._workers[target] = self._start(target)

    def _save(self, *, now: bool) -> None:
        due = time.monotonic() - self._saved >= _SAVE_EVERY_S
        if self._save_to is not None and (now or due):
            self._record.save(self._save_to)
            self._saved = time.monotonic()


def _last_words(error: WorkerDied) -> str:
    words = [line for line in error.output if line.strip()]
    return error.what + (f" ({words[-1].strip()})" if words else "")
