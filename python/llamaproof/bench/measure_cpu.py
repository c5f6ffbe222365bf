"""Host time of a cell on the CPU backend: to see the harness work, not to judge a GPU build."""

from __future__ import annotations

import math
import time
from pathlib import Path

from llamaproof.bench.samples import Round
from llamaproof.bench.workload import Workload
from llamaproof.ggml import Stream

_SAMPLE_S = 5e-3
_ROUND_S = 0.25
_SAMPLES_PER_ROUND = 5
_UNKNOWN_CACHE = 32 << 20


class CpuTimer:
    """Times graphs on the CPU backend by the host's clock."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def warm_up(self, workload: Workload) -> float:
        """Compute twice; seconds of the second."""
        self._stream.compute(workload.graph)
        return self._timed(workload, 1)

    def round(self, workload: Workload, seconds: float) -> Round:
        """One round of samples, seconds per layer."""
        repeats = max(1, math.ceil(_SAMPLE_S / seconds))
        samples = max(1, min(_SAMPLES_PER_ROUND, int(_ROUND_S / (repeats * seconds))))
        times = [self._timed(workload, repeats) for _ in range(samples)]
        return Round(samples=tuple(t / workload.n_layers for t in times), clock=None)

    def _timed(self, workload: Workload, repeats: int) -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            self._stream.compute(workload.graph)
        return (time.perf_counter() - start) / repeats


def last_level_cache() -> int:
    """Bytes of the largest CPU cache, from sysfs; 32 MiB where it says nothing."""
    sizes = []
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        if text.endswith("K") and text[:-1].isdigit():
            sizes.append(int(text[:-1]) << 10)
    return max(sizes, default=_UNKNOWN_CACHE)
