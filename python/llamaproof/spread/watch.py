"""How far a cluster is with a run, told all the while, and whether anybody is there to go on."""

from __future__ import annotations

import time
from collections.abc import Callable

from llamaproof.errors import LlamaproofError
from llamaproof.spread.carrier import Told

_TELL_S = 1.0


class Watch:
    """Tells how far a run is, and sees whether there is anybody to carry it on.

    Args:
        address: of the scheduler.
        limit_s: seconds without any worker after which the run is given up.
        workers: how many there are now.
    """

    def __init__(
        self, *, address: str, limit_s: float, workers: Callable[[], int], told: Told
    ) -> None:
        self._address = address
        self._count = workers
        self._limit_s = limit_s
        self._told = told
        self._done = 0
        self._looked = 0.0
        self._without_since: float | None = None

    def add(self, items: int) -> None:
        """So many more are done."""
        self._done += items
        self._told(self._done, self._words(self._workers()))

    def look(self) -> None:
        """Look and tell, now and then.

        Raises:
            LlamaproofError: there has been no worker for too long, or there is no scheduler.
        """
        now = time.monotonic()
        if now - self._looked < _TELL_S:
            return
        self._looked = now
        workers = self._workers()
        if workers:
            self._without_since = None
        elif self._without_since is None:
            self._without_since = now
        elif now - self._without_since > self._limit_s:
            raise LlamaproofError(
                f"the dask scheduler has had no worker for {self._limit_s:.0f} s",
                where=self._address,
                hint=f"start some: dask worker {self._address} --nthreads 1",
            )
        self._told(self._done, self._words(workers))

    def lost(self) -> LlamaproofError:
        """What is said when the scheduler is gone, and all that was submitted with it."""
        return LlamaproofError(
            "the dask scheduler was lost, or dropped what it was given",
            where=self._address,
            hint="look at its log, and run this again",
        )

    def _workers(self) -> int:
        try:
            return self._count()
        except (OSError, RuntimeError, AttributeError) as error:
            raise self.lost() from error

    def _words(self, workers: int) -> str:
        if workers:
            return f"on {workers} worker{'s' if workers > 1 else ''}"
        waited = time.monotonic() - (self._without_since or time.monotonic())
        return f"waiting for a worker for {waited:.0f} s"
