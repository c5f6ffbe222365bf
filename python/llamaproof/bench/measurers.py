"""The measurers of a run, one for each target: processes of this machine, or what a carrier has."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from llamaproof.bench.counted_elsewhere import CountedElsewhere
from llamaproof.bench.points import Point
from llamaproof.bench.record import Record
from llamaproof.bench.run import Measurer
from llamaproof.bench.worker import Hello, MeasuringWorker, Setup
from llamaproof.reports.progress import Tell
from llamaproof.spread.carrier import Carrier


class Measurers:
    """Started for each target, and ended with `held`.

    Args:
        setups: how each target is measured, in the order of the targets.
        carrier: counts the work of points; one that does not split has nothing to gain, and a
            process of this machine counts.

    Raises:
        LlamaproofError: as `MeasuringWorker`.
    """

    def __init__(
        self, setups: Sequence[Setup], carrier: Carrier, held: contextlib.ExitStack
    ) -> None:
        self._setups = setups
        self._held = held
        self._elsewhere: list[CountedElsewhere] = []
        if carrier.splits:
            self._elsewhere = [CountedElsewhere(setup, carrier) for setup in setups]
            for one in self._elsewhere:
                held.callback(one.end)
            self.hellos: list[Hello] = [one.hello for one in self._elsewhere]
            self.workers: list[Measurer] = list(self._elsewhere)
        else:
            here = [self._start_here(index) for index in range(len(setups))]
            self.hellos = [worker.hello for worker in here]
            self.workers = list(here)

    def start(self, index: int) -> Measurer:
        """Another for a target whose measurer died; what counts elsewhere lives on."""
        return self._elsewhere[index] if self._elsewhere else self._start_here(index)

    def begin(self, record: Record, points: Sequence[Point], tell: Tell) -> Tell | None:
        """Ask for what a record lacks, where all is asked for at once; whom a run tells."""
        for index, one in enumerate(self._elsewhere):
            one.begin([point for point in points if not record.final(index, point)], tell)
        if not self._elsewhere:
            return tell
        # Points come back in another order than the run's: who brings them tells how many have.
        return None

    def _start_here(self, index: int) -> MeasuringWorker:
        worker = MeasuringWorker(self._setups[index])
        self._held.callback(worker.end)
        return worker
