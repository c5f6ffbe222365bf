"""A run: targets interleaved cell by cell and round by round, within a time limit."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Protocol

from llamaproof.bench.ceilings import Ceilings
from llamaproof.bench.check import CheckResult
from llamaproof.bench.clocks import THROTTLE_SHARE
from llamaproof.bench.points import Point
from llamaproof.bench.record import PointResult, Record, Status
from llamaproof.bench.samples import Round, Work
from llamaproof.bench.stats import is_converged, rounds_needed
from llamaproof.bench.worker import Opened
from llamaproof.errors import LlamaproofError
from llamaproof.ggml import OutOfMemory
from llamaproof.reports.progress import Tell
from llamaproof.workers.conversation import WorkerDied

# With fewer rounds of each build no comparison reaches a verdict.
LEAST_ROUNDS = rounds_needed()
MOST_ROUNDS = 30
# Beyond this a cell's noise is taken as it is.
CELL_LIMIT_S = 5.0
_SAVE_EVERY_S = 10.0
_TIME_IS_UP = "the time limit was reached"
_REFUSED = "supports_op refuses the node: llama.cpp runs it on the CPU"


class Measurer(Protocol):
    """What a run asks of a worker."""

    def open(self, point: Point) -> Opened: ...
    def round(self) -> Round: ...
    def close(self) -> None: ...
    def check(self, point: Point) -> CheckResult | None: ...
    def ceilings(self) -> Ceilings: ...
    def count(self, point: Point) -> Work | None: ...
    def end(self) -> None: ...


Start = Callable[[int], Measurer]


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
    def seconds_left(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    @property
    def is_over(self) -> bool:
        return self.seconds_left == 0.0


@dataclass(kw_only=True)
class _Taken:
    """The rounds of one target in the cell being measured."""

    opened: Opened
    rounds: list[Round] = field(default_factory=list)
    dropped: int = 0
    top_clock: int = 0

    @property
    def tried(self) -> int:
        return len(self.rounds) + self.dropped

    @property
    def medians(self) -> list[float]:
        return [median(r.samples) for r in self.rounds]

    def add(self, taken: Round) -> None:
        """Keep a round, unless the clocks were held down in it."""
        clock = taken.clock
        if clock is None:
            self.rounds.append(taken)
            return
        self.top_clock = max(self.top_clock, clock.sm_mhz)
        if clock.held_down or clock.sm_mhz < THROTTLE_SHARE * self.top_clock:
            self.dropped += 1
        else:
            self.rounds.append(taken)


class Run:
    """Measures cells on several targets at once, and survives what they do.

    Args:
        start: starts a worker for the target of an index.
        record: results go here; cells it already has are not measured again.
        save_to: the record is written here every few seconds and at the end.
        tell: told how far it is.
    """

    def __init__(
        self,
        *,
        start: Start,
        record: Record,
        workers: Sequence[Measurer],
        limits: Limits,
        save_to: Path | None = None,
        tell: Tell | None = None,
    ) -> None:
        self._start = start
        self._record = record
        self._workers = list(workers)
        self._limits = limits
        self._save_to = save_to
        self._saved = time.monotonic()
        self._tell = tell or _tell_nobody

    @property
    def workers(self) -> Sequence[Measurer]:
        """The workers as they are now: one that died has been replaced."""
        return self._workers

    def measure_ceilings(self) -> None:
        """Measure the device's ceilings on the first target, if the record has none.

        Cells are worth measuring without them: a failure is noted in the record.
        """
        if self._record.ceilings is not None or self._record.unit != "device seconds":
            return
        self._tell(0, "measuring ceilings")
        try:
            self._record.ceilings = self._workers[0].ceilings()
        except WorkerDied as error:
            self._record.ceilings_missing = error.what
            self._restart(0)
        except LlamaproofError as error:
            self._record.ceilings_missing = error.what

    def measure(self, points: Sequence[Point]) -> None:
        """Measure the cells in order; what the time limit cuts is recorded as left out.

        The record is saved also when this ends by an exception, an interrupt among them.
        """
        cut = False
        try:
            for done, point in enumerate(points):
                self._tell_point(done, len(points), point)
                wanted = [i for i in range(len(self._workers)) if not self._record.final(i, point)]
                if wanted and self._limits.is_over:
                    cut = True
                    self._leave_out(wanted, point, _TIME_IS_UP)
                elif wanted and self._record.unit == "counted work":
                    self._count_point(point, wanted)
                elif wanted:
                    self._measure_point(point, wanted)
                self._save(now=False)
            self._tell(len(points), total=len(points))
            self._record.complete = not cut
        finally:
            self._save(now=True)

    def check(self, points: Sequence[Point]) -> Iterator[tuple[int, Point, CheckResult | str]]:
        """Compare results with the CPU's, cell by cell; text says why there is no comparison."""
        for done, point in enumerate(points):
            for target in range(len(self._workers)):
                if self._limits.is_over:
                    yield target, point, f"left out: {_TIME_IS_UP}"
                    continue
                self._tell_point(done, len(points), point)
                yield target, point, self._check_point(target, point)
        self._tell(len(points), total=len(points))

    def _tell_point(self, done: int, total: int, point: Point) -> None:
        limit = self._limits.seconds_left
        words = "" if limit is None else f", {limit:.0f} s of the time limit left"
        self._tell(done, f"{point}{words}", total=total)

    def _check_point(self, target: int, point: Point) -> CheckResult | str:
        try:
            result = self._workers[target].check(point)
        except WorkerDied as error:
            self._restart(target)
            return f"aborts: {error.what}"
        except LlamaproofError as error:
            return f"could not be checked: {error.what}"
        return result if result is not None else "falls back: supports_op refuses it"

    def _measure_point(self, point: Point, wanted: Sequence[int]) -> None:
        taken: dict[int, _Taken] = {}
        for target in wanted:
            opened = self._open(target, point)
            if opened is not None:
                taken[target] = _Taken(opened=opened)
        started = time.monotonic()
        while taken and not self._has_enough(list(taken.values()), time.monotonic() - started):
            for target in list(taken):
                if not self._round(target, point, taken[target]):
                    del taken[target]
        for target, rounds in taken.items():
            self._keep(target, point, rounds)
            self._workers[target].close()

    def _count_point(self, point: Point, wanted: Sequence[int]) -> None:
        for target in wanted:
            if self._limits.is_over:
                self._leave_out([target], point, _TIME_IS_UP)
                continue
            with self._told_in_the_record(target, point):
                self._keep_work(target, point, self._workers[target].count(point))

    def _keep_work(self, target: int, point: Point, work: Work | None) -> None:
        if work is None:
            self._put(target, point, "falls back", _REFUSED)
        elif work.findings:
            self._put(target, point, "failed", f"the checker found {'; '.join(work.findings)}")
        else:
            self._record.put(
                PointResult(
                    target=target,
                    point=point,
                    status="measured",
                    counts=dict(work.counts),
                    launches=work.launches,
                    n_layers=1,
                    least_bytes=work.least_bytes,
                )
            )

    def _open(self, target: int, point: Point) -> Opened | None:
        with self._told_in_the_record(target, point):
            ready = self._workers[target].open(point)
            if ready.supported:
                return ready
            self._put(target, point, "falls back", _REFUSED)
        return None

    def _round(self, target: int, point: Point, taken: _Taken) -> bool:
        with self._told_in_the_record(target, point):
            taken.add(self._workers[target].round())
            return True
        return False

    @contextlib.contextmanager
    def _told_in_the_record(self, target: int, point: Point) -> Iterator[None]:
        """What a worker refuses or does not survive costs this point, and is its result."""
        try:
            yield
        except WorkerDied as error:
            self._put(target, point, "aborts", error.what)
            self._restart(target)
        except OutOfMemory as error:
            self._put(target, point, "left out", f"not enough device memory: {error.what}")
        except LlamaproofError as error:
            self._put(target, point, "failed", error.what)

    def _has_enough(self, taken: Sequence[_Taken], seconds: float) -> bool:
        if self._limits.is_over or min(t.tried for t in taken) >= self._limits.most_rounds:
            return True
        if min(len(t.rounds) for t in taken) < self._limits.least_rounds:
            return False
        return seconds >= self._limits.cell_s or all(is_converged(t.medians) for t in taken)

    def _keep(self, target: int, point: Point, taken: _Taken) -> None:
        if len(taken.rounds) < self._limits.least_rounds:
            reason = (
                f"the clocks were held down in {taken.dropped} of {taken.tried} rounds"
                if taken.dropped
                else _TIME_IS_UP
            )
            self._put(target, point, "left out", reason)
            return
        self._record.put(
            PointResult(
                target=target,
                point=point,
                status="measured",
                rounds=tuple(taken.rounds),
                dropped=taken.dropped,
                n_layers=taken.opened.n_layers,
                least_bytes=taken.opened.least_bytes,
            )
        )

    def _leave_out(self, targets: Sequence[int], point: Point, reason: str) -> None:
        for target in targets:
            self._put(target, point, "left out", reason)

    def _put(self, target: int, point: Point, status: Status, reason: str) -> None:
        self._record.put(PointResult(target=target, point=point, status=status, reason=reason))

    def _restart(self, target: int) -> None:
        self._workers[target].end()
        self._workers[target] = self._start(target)

    def _save(self, *, now: bool) -> None:
        due = time.monotonic() - self._saved >= _SAVE_EVERY_S
        if self._save_to is not None and (now or due):
            self._record.save(self._save_to)
            self._saved = time.monotonic()


def _tell_nobody(_done: int, _doing: str = "", *, total: int | None = None) -> None:
    """Where nobody watches."""
