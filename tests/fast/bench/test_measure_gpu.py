"""Device time is taken between events that lie back to back on ggml's own stream."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llamaproof.bench.clocks import Clock
from llamaproof.bench.measure_gpu import GpuTimer, _BackendEvent
from llamaproof.bench.workload import Workload
from llamaproof.errors import LlamaproofError
from llamaproof.ggml import Graph

GRAPH_S = 4e-4
WORKLOAD = Workload(graph=Graph(7), n_layers=4, allocated=0)


class FakeCard:
    """ggml, a stream, a driver and clocks in one: a device that takes GRAPH_S for a graph."""

    handle = 99
    name = "CUDA0"
    lib_dir = Path("libraries")
    missing = ""

    def __init__(self, *, event_device: int = 99) -> None:
        self.now = 0.0
        self.happened: dict[int, float] = {}
        self.queue: list[str] = []
        self._made = _BackendEvent(device=event_device, context=1)
        self._next = 100

    def function(self, name: str, *_types: Any) -> Callable[..., Any]:
        functions: dict[str, Callable[..., Any]] = {
            "ggml_backend_graph_compute_async": self._launch,
            "ggml_backend_event_record": self._record,
            "ggml_backend_event_new": lambda _device: ctypes.addressof(self._made),
            "ggml_backend_event_free": lambda _event: None,
        }
        return functions[name]

    def compute(self, graph: Graph) -> None:
        self._launch(self.handle, graph)

    def synchronize(self) -> None:
        self.queue.append("wait")

    @contextlib.contextmanager
    def events(self, count: int) -> Iterator[tuple[int, ...]]:
        made = tuple(range(self._next, self._next + count))
        self._next += count
        yield made

    def elapsed_s(self, first: int, second: int) -> float:
        assert self.queue[-1] == "wait", "an event was read before the device was done"
        return self.happened[second] - self.happened[first]

    def read(self) -> Clock:
        self.queue.append("clocks")
        return Clock(sm_mhz=1980, memory_mhz=3201, reasons=0)

    def _launch(self, _stream: int, graph: Graph) -> int:
        assert graph == WORKLOAD.graph
        self.queue.append("graph")
        self.now += GRAPH_S
        return 0

    def _record(self, event: int, stream: int) -> None:
        assert stream == self.handle
        handle = _BackendEvent.from_address(event).context
        assert handle is not None
        self.queue.append("event")
        self.happened[handle] = self.now


def timer_on(card: Any) -> GpuTimer:
    return GpuTimer(card, card, card, card, card)


def test_samples_are_seconds_per_layer() -> None:
    card = FakeCard()
    timer = timer_on(card)
    seconds = timer.warm_up(WORKLOAD)
    assert seconds == pytest.approx(GRAPH_S)
    taken = timer.round(WORKLOAD, seconds)
    assert taken.samples == pytest.approx([GRAPH_S / 4] * 5)
    assert taken.clock is not None


def test_a_round_is_queued_whole_behind_a_replay_and_clocks_are_read_under_load() -> None:
    card = FakeCard()
    timer = timer_on(card)
    card.queue.clear()
    timer.round(WORKLOAD, GRAPH_S)
    sample = ["graph"] * 3 + ["event"]  # 3 replays last the millisecond a sample needs
    assert card.queue[: 2 + 5 * 4 + 2] == ["graph", "event", *sample * 5, "clocks", "wait"]


def test_a_slow_cell_is_sampled_less_often() -> None:
    taken = timer_on(FakeCard()).round(WORKLOAD, 1.0)
    assert len(taken.samples) == 1


def test_libraries_whose_events_are_laid_out_otherwise_are_refused() -> None:
    with pytest.raises(LlamaproofError, match="lay out struct ggml_backend_event"):
        timer_on(FakeCard(event_device=5))
