"""The worker, on a stand-in for llama.cpp whose gates can be made to disagree."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.errors import LlamaproofError
from llamaproof.ggml import GgmlType
from llamaproof.placement.on_shadow import WORKER, outcome_of
from llamaproof.placement.outcome import CellOutcome
from tests.support.placement.outcomes import cell
from tests.support.placement.stand_in import build

RATIOS = (4, 16, 20, 24, 32)


def run_worker(folder: Path, cells: list[Cell], *, recorder: Path | None = None) -> dict[str, Any]:
    job = {
        "lib_dir": str(folder),
        "session": {
            "file": str(folder / "session.txt"),
            "cuda_major": 13,
            "mode": "record",
            "preload": [str(recorder or folder / "libllama.so")],
        },
        "n_children": 2,
        "cells": [rows.to_row(c) for c in cells],
    }
    return WORKER.ask(job, folder, about="the toy", env=os.environ)


def outcomes(folder: Path) -> dict[int, CellOutcome]:
    cells = [cell(ratio=ratio) for ratio in RATIOS]
    answers = run_worker(folder, cells)["answers"]
    return {c.ratio: outcome_of(c, a, frozenset()) for c, a in zip(cells, answers, strict=True)}


def test_a_release_with_both_gates_at_16_runs_there_and_falls_back_elsewhere(
    tmp_path: Path,
) -> None:
    found = outcomes(build(tmp_path, "SUPPORTED=r % 16 == 0", "DISPATCHED=r % 16 == 0"))
    assert {ratio: o.kind for ratio, o in found.items()} == {
        4: "cpu",
        16: "kernel",
        20: "cpu",
        24: "cpu",
        32: "kernel",
    }


def test_a_kernel_is_recorded_with_its_grid_block_and_shared_memory(tmp_path: Path) -> None:
    use = outcomes(build(tmp_path))[20].use
    assert use is not None
    assert use.kernel.label == "flash_attn_ext_f16<576, 512, 4, 4, 2, 2, false, true>"
    assert (use.grid, use.block, use.shared_bytes) == ((142, 1, 1), (32, 1, 1), 73728)
    assert use.helpers == ("flash_attn_stream_k_fixup",)
    assert use.real_share == 0.25


def test_planted_one_gate_relaxed_and_not_the_other_aborts_where_they_disagree(
    tmp_path: Path,
) -> None:
    found = outcomes(build(tmp_path, "SUPPORTED=r % 4 == 0", "DISPATCHED=r % 16 == 0"))
    assert {ratio for ratio, o in found.items() if o.kind == "kernel"} == {16, 32}
    for ratio in (4, 20, 24):
        assert found[ratio].kind == "abort"
        assert found[ratio].message == "fattn.cu:108: GGML_ASSERT(gqa_ratio % 16 == 0) failed"


def test_planted_the_other_gate_relaxed_still_falls_back(tmp_path: Path) -> None:
    found = outcomes(build(tmp_path, "SUPPORTED=r % 16 == 0", "DISPATCHED=r % 4 == 0"))
    assert {ratio for ratio, o in found.items() if o.kind == "cpu"} == {4, 20, 24}


def test_planted_code_for_no_such_sm_aborts_with_the_runtimes_words(tmp_path: Path) -> None:
    found = outcomes(build(tmp_path, "DISPATCHED=false", "LAST_WORDS=1"))
    assert {o.kind for o in found.values()} == {"abort"}
    assert found[16].message.startswith("CUDA error: no kernel image is available")


def test_planted_a_type_without_a_kernel_aborts_for_that_type_alone(tmp_path: Path) -> None:
    folder = build(tmp_path, "DISPATCHED=k != 7")
    f16 = cell()
    q5_1 = replace(f16, type_k=GgmlType.Q5_1, type_v=GgmlType.Q5_1)
    first, second = run_worker(folder, [f16, q5_1])["answers"]
    assert outcome_of(f16, first, frozenset()).kind == "kernel"
    assert outcome_of(q5_1, second, frozenset()).kind == "abort"


def test_a_kernel_that_only_traps_counts_as_an_abort(tmp_path: Path) -> None:
    shape = cell()
    (answer,) = run_worker(build(tmp_path), [shape])["answers"]
    hollow = frozenset({answer["launches"][0][0]})
    outcome = outcome_of(shape, answer, hollow)
    assert outcome.kind == "abort"
    assert "compiled to a trap for this sm" in outcome.message


def test_libraries_that_do_not_load_are_said_to(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    recorder = build(good) / "libllama.so"
    (bad / "libllama.so").write_bytes(b"\x7fELF but not for long")
    with pytest.raises(LlamaproofError, match="not a readable ELF library"):
        run_worker(bad, [cell()], recorder=recorder)
