"""From a worker's answer to a verdict; inputs and shapes; what is printed."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest

from llamaproof.attention.cell import Cell, HeadSizes, make_cell
from llamaproof.attention.error import MAX_NMSE, MAX_ROW_NMSE
from llamaproof.attention.grid import cells_of
from llamaproof.attention.seen import causal_mask
from llamaproof.emulator.decode import token_nmse
from llamaproof.emulator.results import (
    CellResult,
    CellVerdict,
    EmulationEvidence,
    emulation_json,
    result_of,
)
from llamaproof.emulator.shapes import DEFAULT_SHAPES, QUICK_SHAPES
from llamaproof.emulator.terminal import print_evidence
from llamaproof.executor.finding_kind import FindingKind
from llamaproof.ggml import GgmlType
from llamaproof.reports import document
from llamaproof.reports.outcome import Outcome
from llamaproof.reports.printer import Printer
from tests.support.emulator.made_up_answers import answer

FINDING = {
    "kind": 4, "line": 12, "block": [1, 0, 0], "thread": [3, 0, 0], "address": 64, "count": 2,
    "instruction": "ld.shared.u32", "detail": "a read of what another warp writes",
}  # fmt: skip


def cell(ratio: int = 20) -> Cell:
    return make_cell(HeadSizes(k=576, v=512), GgmlType.F16, GgmlType.F16, ratio, 1, 512)


def evidence(**results: CellResult) -> EmulationEvidence:
    return EmulationEvidence(
        target="libraries", sha256=None, gpu="L40S", sm=89, ggml_version="0", seconds=1.0,
        kv_layout="v_separate", inputs="random",
        results={cell(int(name[1:])): result for name, result in results.items()},
    )  # fmt: skip


def cells_of_document(found: EmulationEvidence) -> Any:
    [run] = json.loads(document.to_text(emulation_json([found])))["runs"]
    assert run["inputs"] == "random"
    return run["cells"]


def test_verdicts() -> None:
    assert result_of(None).verdict is CellVerdict.FALLS_BACK
    assert result_of(answer()).verdict is CellVerdict.HOLDS
    assert result_of(answer(nmse=2 * MAX_NMSE)).verdict is CellVerdict.WRONG
    assert result_of(answer(worst_row=2 * MAX_ROW_NMSE)).verdict is CellVerdict.WRONG
    assert result_of(answer(nmse=float("nan"))).verdict is CellVerdict.WRONG
    assert result_of(answer(nmse=float("inf"), not_finite=1)).verdict is CellVerdict.WRONG
    found = result_of(answer(report={"findings": [FINDING]}))
    assert found.verdict is CellVerdict.FINDINGS
    assert found.findings[0].kind is FindingKind.SHARED_RACE
    read = {"read": "cudaMemcpyAsync", "address": 64, "bytes": 100, "offset": 8}
    left_out = result_of({**answer(), "reports": [*answer()["reports"], read]})
    assert left_out.verdict is CellVerdict.FINDINGS
    assert "offset 8" in left_out.undefined_reads[0]
    died = {"died": {"how": "was killed by SIGABRT", "output": ""}}
    assert result_of(died, "fattn.cu:1: fatal").verdict is CellVerdict.ABORTS
    assert result_of(died, 'GGML_ASSERT(x && "Incorrect KV cache padding.")').verdict is (
        CellVerdict.NOT_TAKEN
    )


def test_a_result_that_is_right_where_the_cpu_is_wrong_is_said_to_be_right() -> None:
    right = result_of(answer(cpu_nmse=float("inf")))
    assert right.verdict is CellVerdict.HOLDS
    assert right.right_where_the_cpu_is_wrong
    assert not result_of(answer()).right_where_the_cpu_is_wrong
    # Both wrong is no excuse.
    both = result_of(answer(nmse=1.0, cpu_nmse=1.0))
    assert both.verdict is CellVerdict.WRONG and not both.right_where_the_cpu_is_wrong
    found = evidence(r4=right)
    assert found.outcome is Outcome.HOLDS
    out = io.StringIO()
    print_evidence(found, Printer(out))
    assert "1 right where ggml's CPU backend is wrong" in out.getvalue()
    [cell] = cells_of_document(found)
    assert cell["cpu_nmse"] is None and cell["right_where_the_cpu_is_wrong"]


def test_exit_codes() -> None:
    good, gone = result_of(answer()), result_of(None)
    assert evidence(r4=good, r8=gone).outcome is Outcome.HOLDS
    for bad in (answer(nmse=1.0), answer(report={"findings": [FINDING]})):
        assert evidence(r4=good, r8=result_of(bad)).outcome is Outcome.DEFECT


def test_the_document_is_json_whatever_the_numbers() -> None:
    found = evidence(r4=result_of(answer()), r8=result_of(answer(nmse=float("inf"), not_finite=3)))
    cells = cells_of_document(found)
    assert [c["verdict"] for c in cells] == ["holds", "wrong"]
    assert cells[1]["nmse"] is None
    assert cells[0]["launches"][0]["counts"]["mma_ops"] == 10


def test_the_table_names_each_finding() -> None:
    out = io.StringIO()
    shown = evidence(r4=result_of(answer(report={"findings": [FINDING]})), r8=result_of(None))
    print_evidence(shown, Printer(out))
    text = out.getvalue()
    assert "shared race" in text
    assert "PTX line 12" in text
    assert "1 findings, 1 falls back" in text


def test_logits_are_compared_without_their_mean() -> None:
    expected = np.array([[1.0, 2.0, 3.0], [1.0, 0.0, -1.0]], np.float32)
    assert token_nmse(expected + 5, expected) == pytest.approx((0.0, 0.0), abs=1e-12)
    wrong = expected.copy()
    wrong[1, 0] = np.nan
    assert token_nmse(wrong, expected)[1] == float("inf")


def test_the_mask_is_causal_with_padding() -> None:
    mask = causal_mask(3, 90, 64, unused=10)
    seen = mask == 0
    assert mask.shape == (64, 90)
    assert seen.sum(axis=1)[:4].tolist() == [78, 79, 80, 0]
    assert not seen[:, 80:].any()
    assert np.isneginf(mask[~seen]).all()


def test_the_default_shapes_are_those_promised() -> None:
    cells = cells_of([DEFAULT_SHAPES])
    assert {str(c.heads) for c in cells} == {"64", "80", "128", "256", "576/512"}
    assert {c.ratio for c in cells} == {1, 4, 5, 8, 16, 20, 128}
    assert {c.n_tokens for c in cells} == {1, 3, 32, 35}
    assert any(c.n_kv % 256 for c in cells)
    assert not any(c.heads.k == 80 and c.type_k is not GgmlType.F16 for c in cells)
    quick = cells_of(QUICK_SHAPES)
    assert len(quick) < 50
    assert any(c.heads.k == 576 and c.ratio == 20 for c in quick)
