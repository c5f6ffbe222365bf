"""A cluster gives what one machine gives, whatever becomes of its workers; what it cannot is said.

The workers are processes of this machine, and what they examine are numbers.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import llamaproof
from llamaproof import process
from llamaproof.errors import LlamaproofError
from llamaproof.spread.carrier import (
    HERE,
    Carrier,
    Examine,
    Lost,
    Told,
    batches_of,
    examine_all,
    joined,
)
from llamaproof.spread.over_dask import connected
from llamaproof.target import Target
from tests.support.spread import examinations
from tests.support.spread.clusters import ALLOWED_FAILURES, a_wheel, local_cluster

NUMBERS = tuple(range(12))
SQUARES = tuple(number * number for number in NUMBERS)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two workers with one thread each."""
    with local_cluster(2, tmp_path_factory.mktemp("workers")) as started:
        yield started


@pytest.fixture(scope="module")
def carrier(cluster: Any) -> Iterator[Carrier]:
    with connected(cluster.scheduler_address) as found:
        yield found


@pytest.fixture
def wheel(tmp_path: Path) -> Iterator[Target]:
    with a_wheel(tmp_path) as target:
        yield target


def answers(
    carrier: Carrier,
    target: Target,
    examine: Examine[str, int],
    *,
    part: str = "L40S",
    items: Sequence[int] = NUMBERS,
    told: Told | None = None,
) -> tuple[Any, ...]:
    batches = batches_of(carrier, part, items, size=2)
    every = examine_all(carrier, target, examine, batches, told)
    return joined(batches, every, about="toy").answers


def test_the_answers_are_those_of_this_machine(carrier: Carrier, wheel: Target) -> None:
    told: list[tuple[int, str]] = []
    found = answers(
        carrier, wheel, examinations.squared, told=lambda done, doing: told.append((done, doing))
    )
    assert found == answers(HERE, wheel, examinations.squared) == SQUARES
    assert told[-1] == (len(NUMBERS), "on 2 workers")


def test_each_worker_unpacks_a_target_once(carrier: Carrier, wheel: Target) -> None:
    by = answers(carrier, wheel, examinations.squared_by)
    folders: dict[int, set[str]] = {}
    for pid, folder in by:
        folders.setdefault(pid, set()).add(folder)
    assert len(folders) == 2 and all(len(own) == 1 for own in folders.values())
    for own in folders.values():
        library = Path(own.pop()) / "libllama.so"
        assert library.read_text() == "what it holds"
        before = library.stat().st_mtime_ns
        answers(carrier, wheel, examinations.squared_by)
        assert library.stat().st_mtime_ns == before


def test_another_target_of_the_same_name_is_not_taken_for_it(
    carrier: Carrier, tmp_path: Path
) -> None:
    for held in ("one thing", "another"):
        with a_wheel(tmp_path, held) as target:
            batches = batches_of(carrier, "L40S", NUMBERS, size=6)
            every = examine_all(carrier, target, examinations.squared, batches)
        assert joined(batches, every, about="toy").facts["held"] == held


def test_a_worker_that_is_killed_costs_only_its_batch(
    carrier: Carrier, wheel: Target, tmp_path: Path
) -> None:
    assert answers(carrier, wheel, examinations.fatal_once, part=str(tmp_path)) == SQUARES
    assert (tmp_path / "killed").exists()


def test_planted_a_batch_that_kills_whoever_has_it_is_lost_and_no_other(
    carrier: Carrier, wheel: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    found = answers(carrier, wheel, examinations.fatal)
    lost = found[2]
    assert isinstance(lost, Lost)
    tries = ALLOWED_FAILURES + 1
    assert lost.how.startswith(f"{tries} workers were lost with it, one after the other")
    assert "127.0.0.1" not in lost.how and "127.0.0.1" in capsys.readouterr().err
    assert found == (0, 1, lost, lost, *SQUARES[4:])


def test_what_a_worker_says_went_wrong_is_said_here(
    carrier: Carrier, wheel: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LlamaproofError, match="the disk of this machine is full") as raised:
        answers(carrier, wheel, examinations.without_room, part="somewhere")
    assert (raised.value.where, raised.value.hint) == ("somewhere", "make room")
    assert "this was said by the worker at tcp://127.0.0.1:" in capsys.readouterr().err


def test_a_fault_is_said_in_words(carrier: Carrier, wheel: Target) -> None:
    with pytest.raises(LlamaproofError, match="could not carry a batch out: ZeroDivisionError"):
        answers(carrier, wheel, examinations.faulty)


def test_a_worker_with_another_kind_of_cpu_is_told_of_once(
    carrier: Carrier,
    wheel: Target,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert answers(carrier, wheel, examinations.squared) == SQUARES
    assert "kind of CPU" not in capsys.readouterr().err
    monkeypatch.setattr("llamaproof.spread.over_dask.cpu_here", lambda: "AnotherMaker avx2")
    assert answers(carrier, wheel, examinations.squared) == SQUARES
    said = capsys.readouterr().err
    assert said.count("has another kind of CPU") == 1 and "here AnotherMaker avx2" in said


def test_an_interrupt_ends_what_the_workers_do(
    carrier: Carrier, wheel: Target, tmp_path: Path
) -> None:
    def interrupt(_done: int, _doing: str) -> None:
        if (tmp_path / "begun").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answers(carrier, wheel, examinations.endless, part=str(tmp_path), told=interrupt)
    deadline = time.monotonic() + 30
    while not (tmp_path / "ended").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (tmp_path / "ended").exists()
    assert answers(carrier, wheel, examinations.squared) == SQUARES


def test_planted_a_worker_of_another_llamaproof_is_refused_by_name(
    cluster: Any, carrier: Carrier, wheel: Target, tmp_path: Path
) -> None:
    other = other_llamaproof(tmp_path / "other")
    with (tmp_path / "log").open("w+b") as log:
        command = (
            *(sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address),
            *("--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", "another"),
            *("--local-directory", str(tmp_path)),
        )
        with process.beside(command, output=log, env=other, grace_s=0.0):
            wait_for_workers(cluster, 3)
            with pytest.raises(LlamaproofError, match="cannot be used: llamaproof 9") as raised:
                answers(carrier, wheel, examinations.squared)
    assert raised.value.where.startswith("tcp://127.0.0.1:")
    assert "llamaproof's code" in raised.value.what
    wait_for_workers(cluster, 2)


def other_llamaproof(folder: Path) -> dict[str, str]:
    """The environment of a machine that has version 9.9.9."""
    package = Path(llamaproof.__file__).parent
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / package.name / "__init__.py").write_text('__version__ = "9.9.9"\n')
    return {**os.environ, "PYTHONPATH": str(folder)}


def wait_for_workers(cluster: Any, number: int) -> None:
    deadline = time.monotonic() + 60
    while len(cluster.scheduler.workers) != number and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(cluster.scheduler.workers) == number


def test_a_cluster_without_a_worker_is_said_and_one_that_comes_late_is_used(
    wheel: Target, tmp_path: Path
) -> None:
    told: list[str] = []
    with local_cluster(0, tmp_path / "workers") as empty:
        with (
            connected(empty.scheduler_address, no_worker_limit_s=1.5) as nobody,
            pytest.raises(LlamaproofError, match="has had no worker for 2 s") as raised,
        ):
            answers(nobody, wheel, examinations.squared, told=lambda _, doing: told.append(doing))
        assert (
            raised.value.hint == f"start some: dask worker {empty.scheduler_address} --nthreads 1"
        )
        assert told[0].startswith("waiting for a worker for ")

        def start_one(_done: int, doing: str) -> None:
            if doing.startswith("waiting") and not empty.worker_spec:
                empty.scale(1)

        with connected(empty.scheduler_address) as late:
            assert answers(late, wheel, examinations.squared, told=start_one) == SQUARES


def test_a_scheduler_that_is_lost_in_the_middle_is_said(wheel: Target, tmp_path: Path) -> None:
    with local_cluster(1, tmp_path / "workers") as short_lived:

        def close(_done: int, _doing: str) -> None:
            if (tmp_path / "begun").exists():
                short_lived.close()

        with (
            connected(short_lived.scheduler_address) as carrier,
            pytest.raises(LlamaproofError, match="the dask scheduler was lost"),
        ):
            answers(carrier, wheel, examinations.endless, part=str(tmp_path), told=close)


def test_no_scheduler_is_said_within_seconds() -> None:
    started = time.monotonic()
    with (
        pytest.raises(LlamaproofError, match="the dask scheduler cannot be reached") as raised,
        connected("tcp://127.0.0.1:9"),
    ):
        pass
    assert raised.value.where == "tcp://127.0.0.1:9"
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("address", ["nonsense", "tls://127.0.0.1:9"])
def test_an_address_that_leads_nowhere_is_said(address: str) -> None:
    with (
        pytest.raises(LlamaproofError, match="the dask scheduler cannot be reached"),
        connected(address),
    ):
        pass
