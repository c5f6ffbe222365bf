"""The proof of one wheel on two processes, one of them killed in the middle: the same document."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from llamaproof import cli
from llamaproof.attention.grid import Axes, heads_of
from llamaproof.bench.points import Selection, select_emulated
from llamaproof.emulator import run
from llamaproof.ggml import GgmlType
from llamaproof.prove import numbers, placement, work
from llamaproof.prove.stress import Stress
from tests.support.spread.clusters import local_cluster

_TIMES = ("seconds", "created")


@pytest.fixture(autouse=True)
def small_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of each proof's cells, in batches small enough that each worker has several."""
    heads = heads_of("576/512", "128")
    shapes = Axes(
        heads=heads, types=(GgmlType.F16,), ratios=(4, 16, 20), n_tokens=(1, 3), n_kv=(256, 512)
    )
    points = Selection(head_sizes=heads[:1], gqa_ratios=(16, 20), tokens=(1,), n_kv=(1024, 2048))
    monkeypatch.setattr(placement, "grid_for", lambda _heads: (shapes,))
    monkeypatch.setattr(numbers, "PROOF_SHAPES", (shapes,))
    monkeypatch.setattr(numbers, "load_stress", lambda: Stress(runs=(), left_out=()))
    monkeypatch.setattr(work, "proof_points", lambda: select_emulated(points))
    monkeypatch.setattr(run, "_BATCH", 2)


def without_times(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: without_times(each) for name, each in found.items() if name not in _TIMES}
    return [without_times(each) for each in found] if isinstance(found, list) else found


def proved(wheel: Path, folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit code and the evidence of a copy of a wheel, but for times."""
    folder.mkdir()
    copy = shutil.copy(wheel, folder)
    code = cli.main(["prove", "--cards", "L40S", "--numbers", "L40S", *arguments, str(copy)])
    document = json.loads(Path(f"{copy}.evidence.json").read_text())
    return code, json.dumps(without_times(document), indent=1)


def test_the_document_is_that_of_one_machine(wheel: Path, tmp_path: Path) -> None:
    here = proved(wheel, tmp_path / "here")
    assert '"holds"' in here[1]
    with local_cluster(2, tmp_path / "workers") as cluster, pytest.MonkeyPatch.context() as patch:
        victims = [worker.pid for worker in cluster.workers.values()]
        emulate, begun = run.emulate, list[int]()

        def emulate_and_kill(*given: Any, **named: Any) -> Any:
            tell = named.pop("on_progress")

            def told(done: int, doing: str) -> None:
                if done and not begun:
                    begun.append(victims[0])
                    os.kill(victims[0], signal.SIGKILL)
                tell(done, doing)

            return emulate(*given, on_progress=told, **named)

        patch.setattr(numbers, "emulate", emulate_and_kill)
        spread = proved(wheel, tmp_path / "spread", "--dask", cluster.scheduler_address)
        assert begun == victims[:1]
        assert victims[0] not in [worker.pid for worker in cluster.workers.values()]
    assert spread == here
