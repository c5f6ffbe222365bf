"""Work that a carrier has counted fills a record as work counted here does."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof import shadow
from llamaproof.attention.grid import heads_of
from llamaproof.bench.points import Selection, select_emulated
from llamaproof.bench.record import Record
from llamaproof.prove.work import count
from llamaproof.spread.carrier import HERE, Carrier, Lost
from tests.support.prove.small_wheel import SmallWheel
from tests.support.spread.carriers import Planted

L40S = shadow.find_gpu("L40S")
# 19 is no multiple of 4: it falls back.
POINTS = select_emulated(
    Selection(
        head_sizes=heads_of("576/512"), gqa_ratios=(16, 19, 20, 32), tokens=(1,), n_kv=(256,),
        prompts=False,
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    aborting = SmallWheel(dispatched="r % 4 == 0 && r != 32")
    return aborting.write(tmp_path_factory.mktemp("dist"))


def counted(wheel: Path, carrier: Carrier) -> Record:
    return count(wheel, L40S, POINTS, carrier)


def test_in_another_order_and_by_others_the_record_is_the_same(wheel: Path) -> None:
    here = counted(wheel, HERE)
    elsewhere = counted(wheel, Planted(lambda answers: answers[::-1]))
    assert {result.status for result in here.results} == {"measured", "falls back", "aborts"}
    assert elsewhere.results == here.results and elsewhere.complete
    assert elsewhere.targets == here.targets and elsewhere.machine == here.machine


def test_planted_a_lost_batch_costs_its_points_and_a_resumed_run_counts_them(wheel: Path) -> None:
    lost = counted(wheel, Planted(lambda answers: [(0, Lost(how="they died")), *answers[1:]]))
    failed = [result for result in lost.results if result.status == "failed"]
    assert [result.point for result in failed] == list(POINTS[:1])
    assert {result.reason for result in failed} == {"could not be checked: they died"}
    assert [lost.final(0, point) for point in POINTS] == [False, True, True, True]
