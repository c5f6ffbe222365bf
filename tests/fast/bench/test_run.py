"""A run interleaves, survives aborts and interrupts, and goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from llamaproof.attention.grid import heads_of
from llamaproof.bench import record as records
from llamaproof.bench.ceilings import Ceilings
from llamaproof.bench.check import CheckResult
from llamaproof.bench.clocks import Clock
from llamaproof.bench.points import Point, Selection, select
from llamaproof.bench.record import Record
from llamaproof.bench.run import LEAST_ROUNDS, Limits, Run
from llamaproof.bench.samples import Round, Work
from llamaproof.bench.worker import Opened
from llamaproof.errors import LlamaproofError
from llamaproof.ggml import GgmlType, OutOfMemory
from llamaproof.workers.conversation import WorkerDied
from tests.support.bench.made_up_results import new_record

POINTS = select(
    Selection(
        head_sizes=heads_of("576/512"), gqa_ratios=[20], tokens=[1], n_kv=[1024, 2048, 4096],
        kv_types=[GgmlType.F16],
    )
)  # fmt: skip


@dataclass
class Scripted:
    """A worker that does what a test says, and writes down what it was asked."""

    name: str
    log: list[str]
    on_open: Callable[[Point], Opened] = lambda _point: Opened(supported=True, n_layers=2)
    on_round: Callable[[Point], Round] = lambda point: Round(
        samples=(1e-9 * point.cell.n_kv,), clock=None
    )
    on_count: Callable[[Point], Work | None] = lambda _point: None
    point: Point | None = None
    ended: bool = False

    def open(self, point: Point) -> Opened:
        self.log.append(f"{self.name} open {point.cell.n_kv}")
        self.point = point
        return self.on_open(point)

    def round(self) -> Round:
        assert self.point is not None
        self.log.append(f"{self.name} round")
        return self.on_round(self.point)

    def close(self) -> None:
        self.point = None

    def check(self, point: Point) -> CheckResult | None:
        self.log.append(f"{self.name} check {point.cell.n_kv}")
        raise WorkerDied("GGML_ASSERT: no kernel, when asked to check")

    def ceilings(self) -> Ceilings:
        raise LlamaproofError("not here")

    def count(self, point: Point) -> Work | None:
        return self.on_count(point)

    def end(self) -> None:
        self.ended = True


@dataclass
class Bench:
    """A run over scripted workers."""

    workers: list[Scripted]
    save_to: Path | None = None
    limits: Limits = field(default_factory=Limits)
    started: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.record = new_record(len(self.workers), POINTS)

    def run(self) -> Run:
        def start(index: int) -> Scripted:
            self.started.append(index)
            return Scripted(name=self.workers[index].name, log=self.workers[index].log)

        return Run(
            start=start,
            record=self.record,
            workers=self.workers,
            limits=self.limits,
            save_to=self.save_to,
        )


def test_targets_alternate_round_by_round() -> None:
    log: list[str] = []
    bench = Bench(workers=[Scripted(name="A", log=log), Scripted(name="B", log=log)])
    bench.run().measure(POINTS[:1])
    assert log[:2] == ["A open 1024", "B open 1024"]
    assert log[2:] == ["A round", "B round"] * LEAST_ROUNDS
    assert bench.record.complete
    assert [r.status for r in bench.record.results] == ["measured", "measured"]


def test_noise_is_given_more_rounds_up_to_the_limit() -> None:
    count = iter(range(1000))
    noisy = Scripted(
        name="A", log=[], on_round=lambda _c: Round(samples=(1.0 + next(count) % 2,), clock=None)
    )
    bench = Bench(workers=[noisy], limits=Limits(most_rounds=25))
    bench.run().measure(POINTS[:1])
    assert len(bench.record.results[0].rounds) == 25


def test_an_abort_costs_one_cell_and_the_worker_is_replaced() -> None:
    def abort_at_2048(point: Point) -> Opened:
        if point.cell.n_kv == 2048:
            raise WorkerDied("fattn.cu: fatal, when asked to round")
        return Opened(supported=True)

    dying = Scripted(name="A", log=[], on_open=abort_at_2048)
    bench = Bench(workers=[dying])
    bench.run().measure(POINTS)
    found = {r.point.cell.n_kv: r for r in bench.record.results}
    assert [found[n].status for n in (1024, 2048, 4096)] == ["measured", "aborts", "measured"]
    assert "fattn.cu: fatal" in found[2048].reason
    assert dying.ended and bench.started == [0]


def test_a_cell_that_is_refused_falls_back_and_one_too_large_is_left_out() -> None:
    def answer(point: Point) -> Opened:
        if point.cell.n_kv == 4096:
            raise OutOfMemory("CUDA0 could not allocate the tensors")
        return Opened(supported=False)

    bench = Bench(workers=[Scripted(name="A", log=[], on_open=answer)])
    bench.run().measure(POINTS)
    assert [r.status for r in bench.record.results] == ["falls back", "falls back", "left out"]


def test_throttled_rounds_are_dropped_and_replaced() -> None:
    count = iter(range(1000))

    def every_third_is_slow(_point: Point) -> Round:
        mhz = 600 if next(count) % 3 == 2 else 1980
        return Round(samples=(1e-6,), clock=Clock(sm_mhz=mhz, memory_mhz=3201, reasons=0))

    bench = Bench(workers=[Scripted(name="A", log=[], on_round=every_third_is_slow)])
    bench.run().measure(POINTS[:1])
    result = bench.record.results[0]
    assert result.status == "measured"
    assert len(result.rounds) == LEAST_ROUNDS and result.dropped == 4
    assert all(r.clock is not None and r.clock.sm_mhz == 1980 for r in result.rounds)


def test_a_card_that_is_held_down_throughout_gives_no_result() -> None:
    hot = Clock(sm_mhz=1200, memory_mhz=3201, reasons=0x40)
    worker = Scripted(name="A", log=[], on_round=lambda _c: Round(samples=(1e-6,), clock=hot))
    bench = Bench(workers=[worker])
    bench.run().measure(POINTS[:1])
    assert bench.record.results[0].status == "left out"
    assert "held down in 30 of 30" in bench.record.results[0].reason


def test_past_the_time_limit_cells_are_left_out_by_name() -> None:
    bench = Bench(
        workers=[Scripted(name="A", log=[])], limits=Limits(deadline=time.monotonic() - 1)
    )
    bench.run().measure(POINTS)
    assert {r.status for r in bench.record.results} == {"left out"}
    assert len(bench.record.results) == len(POINTS)
    assert not bench.record.complete


def test_an_interrupt_keeps_what_there_is_and_a_second_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "record.json"

    def interrupted_at_4096(point: Point) -> Opened:
        if point.cell.n_kv == 4096:
            raise KeyboardInterrupt
        return Opened(supported=True)

    first = Bench(workers=[Scripted(name="A", log=[], on_open=interrupted_at_4096)], save_to=path)
    with pytest.raises(KeyboardInterrupt):
        first.run().measure(POINTS)
    kept = records.load(path)
    assert [r.point.cell.n_kv for r in kept.results] == [1024, 2048]
    assert not kept.complete

    log: list[str] = []
    second = Bench(workers=[Scripted(name="A", log=log)], save_to=path)
    second.record = kept
    second.run().measure(POINTS)
    assert [line for line in log if "open" in line] == ["A open 4096"]
    whole = records.load(path)
    assert whole.complete and {r.point for r in whole.results} == set(POINTS)


def test_cells_left_out_are_measured_by_the_next_run() -> None:
    late = Bench(workers=[Scripted(name="A", log=[])], limits=Limits(deadline=0.0))
    late.run().measure(POINTS)
    again = Bench(workers=[Scripted(name="A", log=[])])
    again.record = late.record
    again.run().measure(POINTS)
    assert {r.status for r in again.record.results} == {"measured"}


def test_a_check_that_aborts_says_so_and_goes_on() -> None:
    bench = Bench(workers=[Scripted(name="A", log=[])])
    outcomes = [result for _, _, result in bench.run().check(POINTS[:2])]
    assert outcomes[0] == "aborts: GGML_ASSERT: no kernel, when asked to check"
    assert len(outcomes) == 2 and bench.started == [0, 0]


def counting(on_count: Callable[[Point], Work | None]) -> Record:
    bench = Bench(workers=[Scripted(name="A", log=[], on_count=on_count)])
    bench.record.unit = "counted work"
    bench.run().measure(POINTS)
    return bench.record


def test_counted_work_is_kept_with_the_kernels_that_did_it() -> None:
    def count(point: Point) -> Work | None:
        if point.cell.n_kv == 4096:
            return None
        return Work(counts={"mma_operations": 3.0}, launches=("k",), findings=(), least_bytes=1)

    results = counting(count).results
    assert [r.status for r in results] == ["measured", "measured", "falls back"]
    assert results[0].costs == {"mma_operations": (3.0,)} and results[0].launches == ("k",)


def test_work_of_a_kernel_the_checker_objects_to_is_no_result() -> None:
    findings = ("out of bounds: read of 16 bytes past the end",)
    record = counting(
        lambda _point: Work(counts={"x": 1.0}, launches=("k",), findings=findings, least_bytes=1)
    )
    assert {r.status for r in record.results} == {"failed"}
    assert "out of bounds" in record.results[0].reason
