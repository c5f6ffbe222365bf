"""A worker that is asked again and again: it answers, refuses, dies or falls silent, each told."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import llamaproof
from llamaproof.errors import BadInput, LlamaproofError
from llamaproof.workers.conversation import Conversation, WorkerDied
from llamaproof.workers.worker import Worker

MODULE = """
import contextlib, os, subprocess, sys, time
from llamaproof.errors import BadInput
from llamaproof.workers.conversation import converse

class Room:
    def __init__(self, opening):
        if opening == "refuse":
            raise BadInput("no device", where="here", hint="get one")
        if opening == "abort":
            os.abort()
        self.greeting = {"pid": os.getpid(), "graphs": os.environ.get("GGML_CUDA_DISABLE_GRAPHS")}
        self._kept = []

    def answer(self, what, argument):
        print("asked", what, flush=True)
        if what == "keep":
            self._kept.append(argument)
            return list(self._kept)
        if what == "refuse":
            raise BadInput("no such cell", where="there", hint="ask for another")
        if what == "assert":
            print("ggml.c:12: GGML_ASSERT(x) failed", flush=True)
            os.abort()
        if what == "raise":
            raise RuntimeError("a fault")
        if what == "sleep":
            time.sleep(60)
        if what == "start a child":
            return subprocess.Popen(["sleep", "60"]).pid

@contextlib.contextmanager
def opened(opening):
    yield Room(opening)

if __name__ == "__main__":
    sys.exit(converse(sys.argv[1:], opened))
"""


@contextmanager
def talking(
    folder: Path, opening: object = None, *, limit_s: float = 30.0, graphs: bool = False
) -> Iterator[Conversation]:
    (folder / "toy_room.py").write_text(MODULE)
    paths = [str(folder), str(Path(llamaproof.__file__).parents[1])]
    worker = Worker(
        module="toy_room", failed="it failed", silence_limit_s=limit_s, cuda_graphs=graphs
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    conversation = Conversation(worker, opening, env=env)
    yield conversation
    conversation.end()


def runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.is_file() and "State:\tZ" not in status.read_text()


def test_it_keeps_what_it_has_from_one_question_to_the_next(tmp_path: Path) -> None:
    with talking(tmp_path) as conversation:
        assert conversation.ask("keep", 1) == [1]
        assert conversation.ask("keep", {"two": 2}) == [1, {"two": 2}]
        pid = conversation.greeting["pid"]
        assert runs(pid)
    assert not runs(pid)


def test_graphs_are_launched_whole_for_those_who_time_alone(tmp_path: Path) -> None:
    with talking(tmp_path) as counting, talking(tmp_path, graphs=True) as timing:
        assert counting.greeting["graphs"] == "1"
        assert timing.greeting["graphs"] is None


def test_an_error_keeps_its_kind_and_words_and_costs_nothing(tmp_path: Path) -> None:
    with talking(tmp_path) as conversation:
        with pytest.raises(BadInput, match="no such cell") as caught:
            conversation.ask("refuse")
        assert (caught.value.where, caught.value.hint) == ("there", "ask for another")
        assert conversation.ask("keep", 1) == [1]


def test_a_death_is_told_with_its_last_words_and_what_was_asked(tmp_path: Path) -> None:
    with talking(tmp_path) as conversation:
        with pytest.raises(WorkerDied) as caught:
            conversation.ask("assert", "576/512")
        assert caught.value.what == (
            "ggml.c:12: GGML_ASSERT(x) failed, when asked to assert 576/512"
        )
        with pytest.raises(WorkerDied):
            conversation.ask("keep", 1)


def test_a_fault_of_its_own_is_told_as_its_death(tmp_path: Path) -> None:
    with talking(tmp_path) as conversation, pytest.raises(WorkerDied, match="a fault") as caught:
        conversation.ask("raise")
    assert "RuntimeError: a fault" in "\n".join(caught.value.output)


def test_a_worker_that_falls_silent_is_ended(tmp_path: Path) -> None:
    with talking(tmp_path, limit_s=1.0) as conversation:
        pid = conversation.greeting["pid"]
        with pytest.raises(WorkerDied, match="gave no answer in 1 s"):
            conversation.ask("sleep")
        assert not runs(pid)


@pytest.mark.parametrize(("opening", "kind"), [("refuse", BadInput), ("abort", WorkerDied)])
def test_a_worker_that_does_not_open_leaves_nothing_behind(
    tmp_path: Path, opening: str, kind: type[LlamaproofError]
) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(kind), talking(tmp_path, opening):
        pass
    assert set(Path("/proc/self/fd").iterdir()) <= before


def test_what_it_started_ends_with_it_where_it_does_not_end_by_itself(tmp_path: Path) -> None:
    with talking(tmp_path, limit_s=1.0) as conversation:
        child = conversation.ask("start a child")
        assert runs(child)
        with pytest.raises(WorkerDied):
            conversation.ask("sleep")
    deadline = time.monotonic() + 5
    while runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not runs(child)
