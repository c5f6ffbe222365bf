"""Records survive the disk, and what is no record is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llamaproof.bench import record as records
from llamaproof.bench.ceilings import Ceilings
from llamaproof.bench.cuda_driver import Gpu
from llamaproof.bench.gate import load_gate
from llamaproof.bench.gate_input import evidence_of
from llamaproof.bench.record import PointResult, Record
from llamaproof.errors import BadInput, LlamaproofError
from tests.support.bench.made_up_results import GRID, counted, good_cost, new_record, timed

H200 = Gpu(
    name="NVIDIA H200", sm=90, multiprocessors=132, l2_bytes=60 << 20,
    pci_bus_id="0000:65:00.0", driver=13000,
)  # fmt: skip


GATE = load_gate()


def full_record() -> Record:
    record = new_record(2)
    patches = ("0001-a.patch", "0002-b.patch")
    record.targets = (replace(record.targets[0], series=patches, tree="3bb7"), record.targets[1])
    record.machine = replace(record.machine, gpu=H200)
    record.ceilings = Ceilings(copy_bytes_per_s=4.3e12, gemm_flop_per_s=None, gemm_missing="none")
    for result in timed(GRID[:4], good_cost).values():
        record.put(result)
    record.put(PointResult(target=1, point=GRID[0], status="aborts", reason="SIGABRT"))
    return record


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    record = full_record()
    path = tmp_path / "bench.json"
    record.save(path)
    again = records.load(path)
    assert again == record
    assert [p.name for p in tmp_path.iterdir()] == ["bench.json"]


def test_a_result_replaces_the_one_before() -> None:
    record = full_record()
    record.put(PointResult(target=0, point=GRID[0], status="left out", reason="time"))
    assert record.of(0)[GRID[0]].status == "left out"
    assert len(record.of(0)) == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not json", "no JSON"),
        ("[]", "schema"),
        (json.dumps({"schema": "llamaproof.bench/1"}), "its schema is"),
        (json.dumps(records.SCHEMA.document()), "damaged"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bench.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=says):
        records.load(path)


def test_a_truncated_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    full_record().save(path)
    path.write_text(path.read_text()[:-100])
    with pytest.raises(BadInput, match="no JSON"):
        records.load(path)


def test_a_folder_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(LlamaproofError, match="cannot write"):
        full_record().save(tmp_path / "nowhere" / "bench.json")


def with_role(record: Record, index: int, role: str) -> Record:
    targets = list(record.targets)
    targets[index] = replace(targets[index], role=role)
    record.targets = tuple(targets)
    return record


def test_a_kept_record_is_the_baseline_and_fills_missing_roles() -> None:
    kept = with_role(full_record(), 1, "0.3.16")
    given = evidence_of(full_record(), [kept])
    assert set(given.references) == {"baseline", "0.3.16"}
    assert given.references["0.3.16"][GRID[0]].status == "aborts"


def test_what_was_measured_in_this_run_comes_before_a_kept_record() -> None:
    today = with_role(full_record(), 1, "0.3.16")
    kept = with_role(full_record(), 0, "0.3.16")
    found = evidence_of(today, [kept]).references["0.3.16"]
    assert found[GRID[0]].target == 1


def test_times_of_another_device_or_unit_are_not_compared() -> None:
    other = full_record()
    other.machine = replace(other.machine, device="CUDA0 NVIDIA L40S")
    given = evidence_of(full_record(), [other])
    assert not given.references and "L40S" in given.gone["baseline"]
    work: Any = full_record()
    work.unit = "counted work"
    assert "counted work" in evidence_of(full_record(), [work]).gone["baseline"]


def test_counts_are_costs_by_name() -> None:
    result = counted(GRID[:1], good_cost)[GRID[0]]
    assert set(result.costs) == set(GATE.figures) | {GATE.work_cost}
    assert all(len(samples) == 1 for samples in result.costs.values())
