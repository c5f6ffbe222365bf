"""Points whose work a carrier has counted: all are asked for at once, and told as they are asked.

A run goes from point to point; a carrier has many counted at a time, by whoever is free. What is
here stands between them, so that a record is filled in the run's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from llamaproof.bench.ceilings import Ceilings
from llamaproof.bench.check import CheckResult
from llamaproof.bench.points import Point
from llamaproof.bench.samples import Round, Work
from llamaproof.bench.worker import Hello, MeasuringWorker, Opened, Setup
from llamaproof.errors import LlamaproofError
from llamaproof.spread.carrier import Answer, Batch, Carrier, Lost, Told, batches_of
from llamaproof.target import Target
from llamaproof.workers.conversation import WorkerDied

# Most points take longer than a worker takes to start, and the heaviest take minutes.
_BATCH = 2


class CountedElsewhere:
    """A `Measurer` of counted work that has a carrier count.

    Attributes:
        hello: what a worker of this machine found when it loaded the target.

    Raises:
        LlamaproofError: as `MeasuringWorker`.
    """

    def __init__(self, setup: Setup, carrier: Carrier) -> None:
        here = MeasuringWorker(setup)
        self.hello: Hello = here.hello
        here.end()
        self._setup = setup
        self._carrier = carrier
        self._batches: list[Batch[Setup, Point]] = []
        self._carried: Iterator[tuple[int, Answer | Lost]] = iter(())
        self._found: dict[Point, Work | LlamaproofError | None] = {}

    def begin(self, points: Sequence[Point], told: Told) -> None:
        """Ask for the points that are going to be counted, in this order."""
        self._batches = batches_of(self._carrier, self._setup, points, size=_BATCH)
        self._carried = self._carrier.carry(self._setup.target, count_points, self._batches, told)

    def count(self, point: Point) -> Work | None:
        """The work of a point that was asked for, once it is there.

        Raises:
            WorkerDied: counting it ended the process that did.
            LlamaproofError: what else went wrong with it, or it was lost.
        """
        while point not in self._found:
            index, answer = next(self._carried)
            self._keep(self._batches[index].items, answer)
        found = self._found[point]
        if isinstance(found, LlamaproofError):
            raise found
        return found

    def _keep(self, points: Sequence[Point], answer: Answer | Lost) -> None:
        if isinstance(answer, Lost):
            error = LlamaproofError(f"could not be checked: {answer.how}")
            self._found.update(dict.fromkeys(points, error))
            return
        if answer["device"] != self.hello.device:
            raise LlamaproofError(
                f"the work was counted on {answer['device']}, and here it is {self.hello.device}",
                where=self._setup.target.name,
            )
        self._found.update(zip(points, answer["answers"], strict=True))

    def end(self) -> None:
        """Drop what has not been counted."""
        close = getattr(self._carried, "close", None)
        if close is not None:
            close()

    def open(self, point: Point) -> Opened:
        raise _only_counts(point)

    def round(self) -> Round:
        raise _only_counts()

    def close(self) -> None:
        raise _only_counts()

    def check(self, point: Point) -> CheckResult | None:
        raise _only_counts(point)

    def ceilings(self) -> Ceilings:
        raise _only_counts()


def count_points(
    target: Target, setup: Setup, points: Sequence[Point], on_done: Callable[[int], None]
) -> Answer:
    """Count points one after the other: each answered with its work, None or what went wrong.

    Args:
        setup: what a worker is opened with, but for the target, which is the one given.

    Raises:
        LlamaproofError: the target cannot be loaded.
    """
    answers: list[Work | LlamaproofError | None] = []
    worker = MeasuringWorker(replace(setup, target=target))
    try:
        for point in points:
            try:
                answers.append(worker.count(point))
            except WorkerDied as error:
                answers.append(error)
                worker.end()
                worker = MeasuringWorker(replace(setup, target=target))
            except LlamaproofError as error:
                answers.append(error)
            on_done(len(answers))
        return {"answers": answers, "device": worker.hello.device}
    finally:
        worker.end()


def _only_counts(where: object = "") -> LlamaproofError:
    return LlamaproofError("work is counted here, and nothing else is measured", where=where)
