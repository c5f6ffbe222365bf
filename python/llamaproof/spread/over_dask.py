"""A dask cluster as a carrier. All of dask that llamaproof knows is in this module.

dask moves batches and answers, finds a worker for each, and gives what a lost worker had to
another. What is added here: the target's bytes, sent to the cluster once and kept by each worker in
a folder of its own; a look at each worker's build; and words for what goes wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dask
from distributed import Client, Future, KilledWorker, Security, get_worker
from distributed.comm import connect
from distributed.worker import thread_state

from llamaproof.errors import LlamaproofError
from llamaproof.spread.carrier import Answer, Batch, Examine, Item, Lost, Part, Told
from llamaproof.spread.on_worker import Failed, Order, Refused, carried_out
from llamaproof.spread.parcel import packed
from llamaproof.spread.same_build import Build, build_here, cpu_here, differences
from llamaproof.spread.watch import Watch
from llamaproof.target import Target

# Long enough for a queueing system to start one; that there is none is told all the while.
NO_WORKER_LIMIT_S = 300.0
_CONNECT_S = 5.0
_LOOK_S = 0.1
# Batches that took every worker they were given are tried once more, each alone: most of them only
# stood beside one that did. After so many that did so again, something else ends the workers.
_MOST_FATAL = 3
_SAME = "use one environment or image on all machines: else results differ"


@contextlib.contextmanager
def connected(address: str, *, no_worker_limit_s: float = NO_WORKER_LIMIT_S) -> Iterator[Cluster]:
    """The cluster of the scheduler at an address, as long as the context lasts.

    TLS, and all else that dask lets one configure, is as dask's own configuration says.

    Args:
        no_worker_limit_s: seconds without any worker after which a run is given up.

    Raises:
        LlamaproofError: there is no scheduler, or none that can be talked to.
    """
    try:
        # A client that could not connect lives on, and complains of it at the end of the program.
        asyncio.run(_reach(address))
        client = Client(address, timeout=_CONNECT_S, set_as_default=False, name="llamaproof")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise LlamaproofError(
            f"the dask scheduler cannot be reached: {error or type(error).__name__}",
            where=address,
            hint="start it with `dask scheduler`, and give the address that it prints; for tls://, "
            "dask's configuration (distributed.comm.tls) names the certificates",
        ) from error
    try:
        yield Cluster(client, address, no_worker_limit_s=no_worker_limit_s)
    finally:
        client.close(timeout=5)


async def _reach(address: str) -> None:
    arguments = Security().get_connection_args("client")
    comm = await connect(address, timeout=_CONNECT_S, **arguments)
    await comm.close()


class Cluster:
    """A `Carrier` over a dask client."""

    splits = True

    def __init__(self, client: Client, address: str, *, no_worker_limit_s: float) -> None:
        self._client = client
        self._address = address
        self._limit_s = no_worker_limit_s
        self._build = build_here()
        self._parcels: dict[str, Future] = {}

    @property
    def hands(self) -> int:
        """Threads of the workers there are."""
        threads: int = sum(self._client.nthreads().values())
        return max(1, threads)

    def carry(
        self,
        target: Target,
        examine: Examine[Part, Item],
        batches: Sequence[Batch[Part, Item]],
        told: Told,
    ) -> Iterator[tuple[int, Answer | Lost]]:
        """See `Carrier`.

        Raises:
            LlamaproofError: also where a worker's build is another, no worker comes, or the
                scheduler is lost.
        """
        label, data = packed(target)
        refuse_other_builds(self._client, self._build)
        orders = [
            Order(
                build=self._build,
                label=label,
                examine=examine,
                part=batch.part,
                items=batch.items,
            )
            for batch in batches
        ]
        watch = Watch(
            address=self._address,
            limit_s=self._limit_s,
            workers=lambda: len(self._client.nthreads()),
            told=told,
        )
        run = _Run(self._client, self._build, watch, lambda: self._parcel(label.sha256, data))
        try:
            yield from run.answers(orders)
        finally:
            run.cancel()

    def _parcel(self, name: str, data: bytes) -> Future:
        """The future of a target's bytes: from here to one worker, and among them from there.

        They are the result of a task. Data that is scattered is gone with the worker that holds it.
        """
        known = self._parcels.get(name)
        if known is None or known.status not in ("pending", "finished"):
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TiB"}):
                # Another key each time: one that has failed is known to the client, and is kept.
                key = f"llamaproof-target-{name}-{uuid.uuid4().hex}"
                known = self._client.submit(_itself, data, key=key)
            self._parcels[name] = known
        return known


class _Run:
    """Some batches, submitted and brought back."""

    def __init__(
        self, client: Client, build: Build, watch: Watch, parcel: Callable[[], Future]
    ) -> None:
        self._client = client
        self._build = build
        self._watch = watch
        self._parcel = parcel
        self._name = f"llamaproof-{uuid.uuid4().hex}"
        self._submitted = 0
        self._pending: dict[Future, int] = {}
        self._cpu = cpu_here()
        self._told_of: set[str] = set()

    def answers(self, orders: Sequence[Order]) -> Iterator[tuple[int, Answer | Lost]]:
        """Each order's index and answer, as they come."""
        fatal: list[int] = []
        for index, order in enumerate(orders):
            self._submit(index, order)
        for index, answer in self._as_they_come():
            if isinstance(answer, KilledWorker):
                fatal.append(index)
                continue
            self._watch.add(len(orders[index].items))
            yield index, answer
        for index, answer in self._once_more(orders, fatal):
            self._watch.add(len(orders[index].items))
            yield index, answer

    def cancel(self) -> None:
        """Drop what has not come back, also where it is being carried out."""
        with contextlib.suppress(Exception):  # nothing is wanted of a cluster that is gone
            self._client.cancel(list(self._pending), force=True)
        self._pending.clear()

    def _once_more(
        self, orders: Sequence[Order], fatal: Sequence[int]
    ) -> Iterator[tuple[int, Answer | Lost]]:
        again = 0
        for index in fatal:
            if again >= _MOST_FATAL:
                yield index, Lost(how=f"workers were lost with it, and again with {again} others")
                continue
            self._submit(index, orders[index])
            for _, answer in self._as_they_come():
                if isinstance(answer, KilledWorker):
                    again += 1
                    _note(f"the last worker lost was {answer.last_worker.address}: see its log")
                    yield index, Lost(how=_how_often(answer))
                else:
                    yield index, answer

    def _submit(self, index: int, order: Order) -> None:
        # A tuple makes them one group, of which a worker is given no more than it has threads for:
        # with a worker that is lost, few others lose one of their tries.
        key = (self._name, self._submitted)
        self._submitted += 1
        future = self._client.submit(_carry_out, order, self._parcel(), key=key, pure=False)
        self._pending[future] = index

    def _as_they_come(self) -> Iterator[tuple[int, Answer | KilledWorker]]:
        while self._pending:
            ended = [future for future in self._pending if future.done()]
            for future in ended:
                answer = self._answer_of(future)
                yield self._pending.pop(future), answer
            if not ended:
                self._watch.look()
                time.sleep(_LOOK_S)

    def _answer_of(self, future: Future) -> Answer | KilledWorker:
        if future.status not in ("finished", "error"):
            raise self._watch.lost()
        try:
            answer = future.result()
        except KilledWorker as error:
            return error
        except Exception as error:
            refuse_other_builds(self._client, self._build)
            raise LlamaproofError(
                f"a worker could not carry a batch out: {type(error).__name__}: {error}",
                hint="see the workers' logs",
            ) from error
        worker, cpu, found = answer
        self._compare_cpu(worker, cpu)
        if isinstance(found, Refused):
            raise _refusal(worker, found.differs)
        if isinstance(found, Failed):
            _note(f"this was said by the worker at {worker}")
            raise found.error
        return found

    def _compare_cpu(self, worker: str, cpu: str) -> None:
        if cpu != self._cpu and cpu not in self._told_of:
            self._told_of.add(cpu)
            _note(
                f"the worker at {worker} has another kind of CPU ({cpu}; here {self._cpu}): the "
                "last digits of errors may differ from those of one machine"
            )


def refuse_other_builds(client: Client, build: Build) -> None:
    """Ask every worker there is what it would examine with.

    Raises:
        LlamaproofError: one would with another build, or has none.
    """
    for worker, found in client.run(build_here, on_error="return").items():
        if isinstance(found, OSError):
            continue  # it is on its way out
        if isinstance(found, Exception):
            words = f"it has no llamaproof that could be asked ({type(found).__name__}: {found})"
            raise _refusal(worker, words)
        differs = differences(build, found)
        if differs:
            raise _refusal(worker, differs)


def _refusal(worker: str, differs: str) -> LlamaproofError:
    return LlamaproofError(
        f"the dask worker at {worker} cannot be used: {differs}", where=worker, hint=_SAME
    )


def _how_often(killed: KilledWorker) -> str:
    tries = killed.allowed_failures + 1
    return (
        f"{tries} workers were lost with it, one after the other, and {tries} more without others"
    )


def _note(words: str) -> None:
    """Tell what belongs in no document: it names a machine."""
    print(words, file=sys.stderr, flush=True)


def _itself(data: bytes) -> bytes:
    return data


def _carry_out(order: Order, data: bytes) -> tuple[str, str, Answer | Refused | Failed | None]:
    """On a worker: its address, its CPU, and the answer to a batch."""
    worker, key = get_worker(), thread_state.key

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled"

    keep = Path(worker.local_directory) / "llamaproof"
    answer = carried_out(order, data, keep=keep, is_wanted=is_wanted)
    return worker.address, cpu_here(), answer
