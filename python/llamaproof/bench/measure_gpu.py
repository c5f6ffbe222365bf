"""Device time of a cell, by CUDA events on ggml's own stream."""

from __future__ import annotations

import contextlib
import ctypes
import math
from collections.abc import Callable, Iterator
from itertools import pairwise

from llamaproof.bench.clocks import Clocks
from llamaproof.bench.cuda_driver import CudaDriver
from llamaproof.bench.samples import Round
from llamaproof.bench.workload import Workload
from llamaproof.errors import LlamaproofError
from llamaproof.ggml import Device, Ggml, Stream

# ggml captures a CUDA graph in the first computations (the first in 0.3.16, the second of equal
# ones later); from the fourth on all are replays.
_CAPTURES = 4
_WARM_UP_S = 0.02
# Replays of one sample last at least this: events resolve about half a microsecond (CUDA Runtime
# API, cudaEventElapsedTime), here less than a thousandth.
_SAMPLE_S = 1e-3
# A round is short and rounds are many: targets take turns round by round, and what disturbs one
# disturbs the next alike.
_ROUND_S = 0.02
_SAMPLES_PER_ROUND = 5


class _BackendEvent(ctypes.Structure):
    """`struct ggml_backend_event` (ggml-backend-impl.h); checked against a real one before use."""

    _fields_ = (("device", ctypes.c_void_p), ("context", ctypes.c_void_p))


class GpuTimer:
    """Times graphs on one CUDA device.

    Args:
        ggml, device, stream: the libraries, their CUDA device, and a backend on it.

    Raises:
        LlamaproofError: no driver, or these libraries lay out their events differently.
    """

    def __init__(
        self, ggml: Ggml, device: Device, stream: Stream, driver: CudaDriver, clocks: Clocks
    ) -> None:
        self._ggml = ggml
        self._device = device
        self._stream = stream
        self._driver = driver
        self._clocks = clocks
        pointer = ctypes.c_void_p
        self._compute_async = ggml.function(
            "ggml_backend_graph_compute_async", ctypes.c_int, pointer, pointer
        )
        self._record = ggml.function("ggml_backend_event_record", None, pointer, pointer)
        self._check_event_layout()

    def warm_up(self, workload: Workload) -> float:
        """Compute until graphs are captured and clocks are up; seconds that one graph takes."""
        for _ in range(_CAPTURES):
            self._stream.compute(workload.graph)
        seconds = self._timed(workload, samples=1, replays=1)[0]
        replays = max(1, math.ceil(_WARM_UP_S / max(seconds, 1e-6)))
        return self._timed(workload, samples=1, replays=min(replays, 2000))[0]

    def round(self, workload: Workload, seconds: float) -> Round:
        """One round of samples: seconds per layer, with the clocks during them.

        Args:
            seconds: that one graph takes, from `warm_up`.
        """
        replays = max(1, math.ceil(_SAMPLE_S / seconds))
        samples = int(_ROUND_S / (replays * seconds))
        samples = max(1, min(_SAMPLES_PER_ROUND, samples))
        with self._queued(workload, samples=samples, replays=replays) as read:
            # The device is busy with what was queued: these are the clocks under load.
            clock = self._clocks.read()
            times = read()
        return Round(samples=tuple(t / workload.n_layers for t in times), clock=clock)

    def _timed(self, workload: Workload, *, samples: int, replays: int) -> list[float]:
        with self._queued(workload, samples=samples, replays=replays) as read:
            return read()

    @contextlib.contextmanager
    def _queued(
        self, workload: Workload, *, samples: int, replays: int
    ) -> Iterator[Callable[[], list[float]]]:
        """Queue samples back to back, an event between each two; the yielded call waits for them
        and gives seconds per graph."""
        with self._driver.events(samples + 1) as events:
            # An untimed replay in front keeps the device busy while the host queues the rest.
            self._launch(workload)
            self._mark(events[0])
            for event in events[1:]:
                for _ in range(replays):
                    self._launch(workload)
                self._mark(event)

            def read() -> list[float]:
                self._stream.synchronize()
                pairs = pairwise(events)
                return [self._driver.elapsed_s(a, b) / replays for a, b in pairs]

            yield read
            self._stream.synchronize()

    def _launch(self, workload: Workload) -> None:
        status = self._compute_async(self._stream.handle, workload.graph)
        if status != 0:
            raise LlamaproofError(f"{self._device.name} returned status {status} for a graph")

    def _mark(self, event: int) -> None:
        made = _BackendEvent(device=self._device.handle, context=event)
        self._record(ctypes.addressof(made), self._stream.handle)

    def _check_event_layout(self) -> None:
        pointer = ctypes.c_void_p
        make = self._ggml.function("ggml_backend_event_new", pointer, pointer)
        free = self._ggml.function("ggml_backend_event_free", None, pointer)
        address = make(self._device.handle)
        if not address:
            raise LlamaproofError(f"{self._device.name} makes no events")
        event = _BackendEvent.from_address(address)
        as_known = event.device == self._device.handle and event.context
        free(address)
        if not as_known:
            raise LlamaproofError(
                "these libraries lay out struct ggml_backend_event as no known release does",
                where=self._ggml.lib_dir,
                hint="device time cannot be measured on them",
            )
