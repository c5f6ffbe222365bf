"""A process that holds one target's libraries and measures cells on request.

A process can hold one release of ggml only, and an abort in a kernel must cost one cell: so each
target has a worker of its own, which answers requests over a pipe until the pipe closes.
"""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import tempfile
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from llamaproof.attention.cell import Cell
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
from llamaproof.errors import CommandFailed, LlamaproofError
from llamaproof.ggml import KvLayout, OutOfMemory, load
from llamaproof.process import describe_status
from llamaproof.target import Target

if TYPE_CHECKING:
    from llamaproof import shadow
    from llamaproof.bench.measure_work import EmulatedGpu

Where = Literal["gpu", "cpu", "emulator"]

# Compiling PTX for a card without machine code of its own takes minutes, once.
_ANSWER_LIMIT_S = 300.0
_COUNT_LIMIT_S = 4 * 3600.0
_END_GRACE_S = 5.0
_SEED = 20
_MOST_LAYERS = 512
# On the CPU a graph of hundreds of layers would take seconds; two keep the data from being hot
# in the inner caches, which is all that host time is good for.
_MOST_LAYERS_CPU = 2


@dataclass(frozen=True, kw_only=True)
class Hello:
    """What a worker found when it loaded its target.

    Attributes:
        backends: registry names of ggml's backends and their devices' names.
        kv_layout: where the release's graph puts a latent V.
        gpu: the device measured; None on the CPU backend.
        driver_version: of NVIDIA's driver, where known.
        clocks_missing: why clocks cannot be read; empty when they can.
    """

    ggml_version: str
    backends: tuple[str, ...]
    kv_layout: KvLayout
    device: str
    gpu: Gpu | None
    driver_version: str
    clocks_missing: str


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A cell on the device, warmed up.

    Attributes:
        supported: `supports_op` takes every node; else nothing was opened.
        seconds: that one graph takes.
        n_layers: layers in the graph, each with a K/V cache of its own.
        allocated: bytes on the device.
        least_bytes: that a perfect kernel moves per layer.
    """

    supported: bool
    seconds: float = 0.0
    n_layers: int = 0
    allocated: int = 0
    least_bytes: int = 0


class WorkerDied(CommandFailed):
    """The process ended in the middle of a request: an abort, a crash, or no answer in time."""


class Worker:
    """The parent's end of a worker process.

    Args:
        target: whose libraries are loaded.
        where: the backend to measure on, or the emulator to count work on.
        n_threads: threads of the CPU backend.
        kv_layout: of the release, for a target without libllama.
        emulated: the card the emulator plays.

    Raises:
        LlamaproofError: the libraries cannot be loaded, or they have no such backend.
        WorkerDied: loading them ended the process.
    """

    def __init__(
        self,
        target: Target,
        where: Where,
        *,
        n_threads: int,
        kv_layout: KvLayout | None = None,
        emulated: shadow.Gpu | None = None,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        descriptor, log = tempfile.mkstemp(prefix="llamaproof-bench-", suffix=".log")
        os.close(descriptor)
        self._log = Path(log)
        self._pipe, theirs = context.Pipe()
        setup = _Setup(
            target=target,
            where=where,
            n_threads=n_threads,
            kv_layout=kv_layout,
            emulated=emulated,
        )
        # A kernel of many tokens over a long context keeps the emulator busy for hours.
        self._answer_limit_s = _COUNT_LIMIT_S if where == "emulator" else _ANSWER_LIMIT_S
        self._process = context.Process(target=_serve, args=(theirs, setup, self._log), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self.hello: Hello = self._answer("load the libraries")
        except BaseException:
            self.end()
            raise

    def supports(self, point: Point) -> bool:
        """Whether the backend takes the cell."""
        return bool(self._ask("supports", point))

    def open(self, point: Point) -> Opened:
        """Put a cell on the device and warm it up; closes the one before."""
        opened: Opened = self._ask("open", point)
        return opened

    def round(self) -> Round:
        """A round of samples of the open cell."""
        taken: Round = self._ask("round", None)
        return taken

    def close(self) -> None:
        """Free the open cell's memory."""
        self._ask("close", None)

    def check(self, point: Point) -> CheckResult | None:
        """Compare the device's result; None where the backend does not take the cell."""
        result: CheckResult | None = self._ask("check", point)
        return result

    def ceilings(self) -> Ceilings:
        """Measure the device's copy and GEMM rates."""
        measured: Ceilings = self._ask("ceilings", None)
        return measured

    def count(self, point: Point) -> Work | None:
        """Count a cell's exact work; None where the backend does not take the cell."""
        work: Work | None = self._ask("count", point)
        return work

    def end(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(_END_GRACE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._log.unlink(missing_ok=True)

    def _ask(self, what: str, argument: object) -> Any:
        with contextlib.suppress(BrokenPipeError):
            self._pipe.send((what, argument))
        return self._answer(f"{what} {argument if isinstance(argument, Point) else ''}")

    def _answer(self, doing: str) -> Any:
        try:
            if not self._pipe.poll(self._answer_limit_s):
                self._process.kill()
                raise self._died(f"no answer in {self._answer_limit_s:.0f} s to {doing!r}")
            kind, value = self._pipe.recv()
        except (EOFError, ConnectionResetError) as error:
            self._process.join(_END_GRACE_S)
            status = self._process.exitcode
            how = "ended" if status is None else describe_status(status)
            raise self._died(f"the worker {how} at {doing!r}") from error
        if kind == "error":
            raise value
        return value

    def _died(self, what: str) -> WorkerDied:
        text = self._log.read_text(errors="replace")
        return WorkerDied(what, output=tuple(text.splitlines()[-20:]))


@dataclass(frozen=True, kw_only=True)
class _Setup:
    """What a worker process is started with."""

    target: Target
    where: Where
    n_threads: int
    kv_layout: KvLayout | None
    emulated: shadow.Gpu | None


def _serve(pipe: Connection, setup: _Setup, log: Path) -> None:
    # The terminal's interrupt goes to the whole group: the parent decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sink = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    faulthandler.enable()
    # ggml starts a debugger for its backtrace on an abort, which takes longer than the cell.
    os.environ["GGML_NO_BACKTRACE"] = "1"
    try:
        with _Bench(setup) as bench:
            pipe.send(("ok", bench.hello))
            while True:
                what, argument = pipe.recv()
                try:
                    answer = ("ok", bench.handle(what, argument))
                except LlamaproofError as error:
                    answer = ("error", _portable(error))
                pipe.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except LlamaproofError as error:
        pipe.send(("error", _portable(error)))
    except Exception:
        traceback.print_exc()
        raise


def _portable(error: LlamaproofError) -> LlamaproofError:
    """The same error in a form that survives pickling, which drops keyword arguments."""
    kind = OutOfMemory if isinstance(error, OutOfMemory) else LlamaproofError
    plain = kind(error.what)
    plain.where, plain.hint = error.where, error.hint
    return plain


class _Bench:
    """The state of a worker: the libraries, a backend, and at most one open cell."""

    def __init__(self, setup: _Setup) -> None:
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
        self.hello = self._say_hello(gpu, clocks)

    def _load_cuda(self, setup: _Setup) -> EmulatedGpu | None:
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

    def handle(self, what: str, argument: Any) -> Any:
        """Do what the parent asks."""
        if what == "round":
            return self._round()
        if what == "open":
            return self._open(argument)
        if what == "close":
            return self._close()
        if what == "supports":
            return workload.is_supported(self._ggml, self._device, argument)
        if what == "check":
            return self._check(argument)
        if what == "ceilings":
            return self._ceilings()
        if what == "count":
            return self._count(argument)
        raise LlamaproofError(f"the worker knows no {what!r}")

    def _count(self, point: Point) -> Work | None:
        if self._emulated is None:
            raise LlamaproofError("work is counted on an emulated GPU, time is measured here")
        if not workload.is_supported(self._ggml, self._device, point):
            return None
        return self._emulated.count(self._ggml, self._device, self._stream, point, seed=_SEED)

    def _open(self, point: Point) -> Opened:
        self._close()
        if self._timer is None:
            raise LlamaproofError("an emulated GPU has no time: its work is counted")
        if not workload.is_supported(self._ggml, self._device, point):
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

    def _close(self) -> None:
        self._ready = None
        self._point.close()

    def _round(self) -> Round:
        if self._ready is None or self._timer is None:
            raise LlamaproofError("no cell is open")
        return self._timer.round(self._ready, self._seconds)

    def _check(self, point: Point) -> CheckResult | None:
        self._close()
        if not workload.is_supported(self._ggml, self._device, point):
            return None
        return check_cell(
            self._ggml,
            self._device,
            self._stream,
            point.cell,
            n_threads=self._n_threads,
        )

    def _ceilings(self) -> Ceilings:
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
