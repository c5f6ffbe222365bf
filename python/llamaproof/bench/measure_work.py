"""Exact work of a cell, counted while the emulated GPU carries its kernels out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llamaproof import shadow
from llamaproof.attention.inputs import random_cache, random_queries
from llamaproof.bench import traffic, workload
from llamaproof.bench.points import Point
from llamaproof.bench.record import MODELLED
from llamaproof.bench.samples import Work
from llamaproof.errors import LlamaproofError
from llamaproof.executor.launches import ExecutedLaunch, read_reports
from llamaproof.executor.least_time import least_seconds
from llamaproof.executor.library import default_library
from llamaproof.executor.loaded import Executor
from llamaproof.ggml import Device, Ggml, Stream
from llamaproof.kernels.names import without_parameters
from llamaproof.target import Target

_SECTOR_BYTES = 32


class EmulatedGpu:
    """The stand-in for a card on which this process will run a target's kernels.

    To be made before any library of the target is loaded.

    Args:
        folder: for the session's files, for as long as the process lives.

    Raises:
        LlamaproofError: the native libraries are not built, or the target has no CUDA.
    """

    def __init__(self, target: Target, gpu: shadow.Gpu, folder: Path) -> None:
        executor = default_library()
        session = shadow.prepare(
            target.libraries, [gpu], folder=folder, mode="execute", executor=executor
        )
        self._runtime = shadow.load(session)
        self._gpu = gpu
        self._executor = Executor(executor)

    def count(self, ggml: Ggml, device: Device, stream: Stream, point: Point, *, seed: int) -> Work:
        """Carry out one layer of a cell and count what it took.

        Raises:
            LlamaproofError: nothing was launched.
        """
        rng = np.random.default_rng(seed)
        rows = random_cache(ggml, point.cell, rng, n_rows=point.cell.cache_rows)
        queries = random_queries(point.cell, rng)
        with workload.opened(ggml, device, point, rows, queries, n_layers=1) as ready:
            self._executor.take_reports()
            self._runtime.reset()
            stream.compute(ready.graph)
            names = [
                without_parameters(r.demangled)
                for r in self._runtime.records()
                if isinstance(r, shadow.Launch)
            ]
            reported = read_reports(self._executor.take_reports())
        if not reported.launches:
            raise LlamaproofError(f"no kernel was launched for {point}")
        return Work(
            counts=counts_of(reported.launches, self._gpu),
            launches=tuple(names),
            findings=(*map(str, reported.findings), *reported.undefined_reads),
            least_bytes=traffic.least_bytes(ggml, point),
        )


def counts_of(launches: Sequence[ExecutedLaunch], gpu: shadow.Gpu) -> dict[str, float]:
    """The work of launches as the gate names it, summed.

    Global bytes are sectors as warps ask for them: what a block reads again counts again, since
    streaming K/V through a block leaves nothing in its cache.
    """
    counts = [launch.counts for launch in launches]
    sectors = sum(c.sectors_read_requested + c.sectors_written_requested for c in counts)
    unique = sum(c.sectors_read_unique + c.sectors_written_unique for c in counts)
    work: dict[str, float] = {
        "warp_instructions": sum(c.warp_instructions for c in counts),
        "mma_operations": sum(c.mma_ops for c in counts),
        "global_bytes": _SECTOR_BYTES * sectors,
        "unique_global_bytes": _SECTOR_BYTES * unique,
    }
    bound = least_seconds(launches, gpu)
    if bound is not None:
        work[MODELLED] = 1e6 * bound
    return work
