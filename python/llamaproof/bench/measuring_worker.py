"""The process that holds one target's libraries and measures points on request.

Started by `llamaproof.bench.worker`, with a `Setup` as its opening: see `workers.conversation`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llamaproof.attention.cell import Cell
from llamaproof.attention.families import find_family
from llamaproof.attention.inputs import CacheRows, random_cache, random_queries
from llamaproof.bench import traffic, workload
from llamaproof.bench.ceilings import Ceilings, measure_ceilings
from llamaproof.bench.check import CheckResult, check_cell
from llamaproof.bench.clocks import Clocks
from llamaproof.bench.cuda_driver import CudaDriver, Gpu
from llamaproof.bench.measure_cpu import CpuTimer, last_level_cache
from llamaproof.bench.measure_gpu import GpuTimer
from llamaproof.bench.points import Point
from llamaproof.bench.runtime import load_installed, load_stand_ins
from llamaproof.bench.samples import Round, Work
from llamaproof.bench.worker import Hello, Opened, Setup
from llamaproof.errors import LlamaproofError
from llamaproof.ggml import load
from llamaproof.workers.conversation import converse

if TYPE_CHECKING:
    from llamaproof.bench.measure_work import EmulatedGpu

_SEED = 20
_MOST_LAYERS = 512
# On the CPU a graph of hundreds of layers would take seconds; two keep the data from being hot
# in the inner caches, which is all that host time is good for.
_MOST_LAYERS_CPU = 2


class _Bench:
    """The libraries, a backend, and at most one open point."""

    def __init__(self, setup: Setup) -> None:
        self._held = contextlib.ExitStack()
        self._point = contextlib.ExitStack()
        self._n_threads = setup.n_threads
        self._emulated = self._load_cuda(setup)
        self._ggml = load(setup.target.lib_dir, kv_layout=setup.kv_layout)
        self._ggml.log_to(_quiet)
        on_cpu = setup.where == "cpu"
        self._device = self._ggml.needed_device("CPU" if on_cpu else "CUDA")
        self._stream = self._held.enter_context(
            self._device.backend_stream(n_threads=setup.n_threads if on_cpu else None)
        )
        self._pools: dict[Cell, CacheRows] = {}
        self._ready: workload.Workload | None = None
        self._seconds = 0.0
        self._driver: CudaDriver | None = None
        self._timer: GpuTimer | CpuTimer | None = None
        self._cache_bytes = 0
        gpu, clocks = None, None
        if on_cpu:
            self._timer = CpuTimer(self._stream)
            self._cache_bytes = last_level_cache()
        elif self._emulated is None:
            self._driver = CudaDriver()
            self._driver.use(0)
            gpu = self._driver.gpu(0)
            clocks = Clocks(gpu.pci_bus_id)
            self._timer = GpuTimer(self._ggml, self._device, self._stream, self._driver, clocks)
            self._cache_bytes = gpu.l2_bytes
        self.greeting = self._say_hello(gpu, clocks)

    def _load_cuda(self, setup: Setup) -> EmulatedGpu | None:
        """Load what the target's CUDA libraries need, before them."""
        if setup.where == "gpu":
            load_installed(setup.target.libraries)
            return None
        scratch = Path(self._held.enter_context(tempfile.TemporaryDirectory()))
        if setup.where == "cpu":
            load_stand_ins(setup.target.libraries, scratch)
            return None
        # Imported where it is needed: timing on a GPU does without the emulator's libraries.
        from llamaproof.bench.measure_work import EmulatedGpu

        assert setup.emulated is not None
        return EmulatedGpu(setup.target, setup.emulated, scratch)

    def __enter__(self) -> _Bench:
        return self

    def __exit__(self, *_error: object) -> None:
        self._point.close()
        self._held.close()

    def answer(self, what: str, argument: Any) -> Any:
        """Do what is asked: a method of `bench.worker.MeasuringWorker`, and its argument."""
        return self._answers[what](argument)

    @property
    def _answers(self) -> Mapping[str, Callable[[Any], Any]]:
        return {
            "open": self._open,
            "round": self._round,
            "close": self._close,
            "supports": self._supports,
            "check": self._check,
            "ceilings": self._ceilings,
            "count": self._count,
        }

    def _supports(self, point: Point) -> bool:
        return workload.is_supported(self._ggml, self._device, point)

    def _count(self, point: Point) -> Work | None:
        if self._emulated is None:
            raise LlamaproofError("work is counted on an emulated GPU, time is measured here")
        if not self._supports(point):
            return None
        return self._emulated.count(self._ggml, self._device, self._stream, point, seed=_SEED)

    def _open(self, point: Point) -> Opened:
        self._close()
        if self._timer is None:
            raise LlamaproofError("an emulated GPU has no time: its work is counted")
        if not self._supports(point):
            return Opened(supported=False)
        footprint = traffic.footprint(self._ggml, point)
        n_layers = traffic.layers_beyond_cache(
            footprint, self._cache_bytes, most=_MOST_LAYERS if self._driver else _MOST_LAYERS_CPU
        )
        rows = self._pooled(point.cell)
        queries = random_queries(point.cell, np.random.default_rng(_SEED))
        self._ready = self._point.enter_context(
            workload.opened(self._ggml, self._device, point, rows, queries, n_layers=n_layers)
        )
        self._seconds = self._timer.warm_up(self._ready)
        return Opened(
            supported=True,
            seconds=self._seconds,
            n_layers=n_layers,
            allocated=self._ready.allocated,
            least_bytes=traffic.least_bytes(self._ggml, point),
        )

    def _close(self, _nothing: None = None) -> None:
        self._ready = None
        self._point.close()

    def _round(self, _nothing: None) -> Round:
        if self._ready is None or self._timer is None:
            raise LlamaproofError("no cell is open")
        return self._timer.round(self._ready, self._seconds)

    def _check(self, point: Point) -> CheckResult | None:
        self._close()
        if not self._supports(point):
            return None
        return check_cell(
            self._ggml,
            self._device,
            self._stream,
            point.cell,
            find_family(point.inputs),
            n_threads=self._n_threads,
        )

    def _ceilings(self, _nothing: None) -> Ceilings:
        if self._driver is None:
            raise LlamaproofError("ceilings are measured on a GPU only")
        self._close()
        return measure_ceilings(self._driver)

    def _pooled(self, cell: Cell) -> CacheRows:
        """At least the rows a cell needs, made once for cells of the same K/V."""
        key = workload.pool_key(cell)
        rows = self._pools.get(key)
        if rows is None or len(rows.k) < workload.pool_rows(cell):
            rng = np.random.default_rng(_SEED)
            rows = random_cache(self._ggml, cell, rng, n_rows=workload.pool_rows(cell))
            self._pools = {key: rows}
        return rows

    def _say_hello(self, gpu: Gpu | None, clocks: Clocks | None) -> Hello:
        return Hello(
            ggml_version=self._ggml.version,
            backends=tuple(f"{d.backend}: {d.name}" for d in self._ggml.devices),
            kv_layout=self._ggml.kv_layout,
            device=f"{'emulated ' if self._emulated is not None else ''}"
            f"{self._device.name} {self._device.description}",
            gpu=gpu,
            driver_version=clocks.driver_version if clocks is not None else "",
            clocks_missing=clocks.missing if clocks is not None else "",
        )


def _quiet(level: int, text: str) -> None:
    if level >= 3:  # GGML_LOG_LEVEL_WARN of ggml.h
        os.write(2, text.encode())


if __name__ == "__main__":
    sys.exit(converse(sys.argv[1:], _Bench))
