"""A run on a real GPU, with the shadow's stand-ins where the driver's libraries would be."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from llamaproof import shadow
from llamaproof.attention.cell import HeadSizes, make_cell
from llamaproof.dispatch.agreement import agree
from llamaproof.ggml import GgmlType
from llamaproof.placement.on_real_gpu import collect_real
from llamaproof.placement.on_shadow import collect
from tests.support.needs import NATIVE

CARD = shadow.find_gpu("L40S")
# Kernels, the CPU, and (q5_1 at one token) aborts.
CELLS = [
    make_cell(HeadSizes.parse(heads), kind, kind, ratio, n_tokens, 4096)
    for heads, kind in (("576/512", GgmlType.F16), ("128", GgmlType.F16), ("128", GgmlType.Q5_1))
    for ratio in (8, 16)
    for n_tokens in (1, 512)
]


def play(card: shadow.Gpu, libraries: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loader find the stand-ins in place of CUDA's libraries, playing a card."""
    session = shadow.prepare(sorted(libraries.glob("*.so")), [card], folder=folder)
    monkeypatch.setenv("LLAMAPROOF_SHADOW_SESSION", str(session.file))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(NATIVE / "cuda13"))


def test_the_tracer_sees_what_the_shadow_records(
    stock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = collect(str(stock), [CARD], CELLS).reports[0]
    play(CARD, stock, tmp_path, monkeypatch)
    traced = collect_real(str(stock), CELLS).reports[0]
    assert {o.kind for o in traced.outcomes.values()} == {"kernel", "cpu", "abort"}
    assert traced.outcomes == recorded.outcomes
    assert (traced.gpu, traced.sm) == ("L40S", 89)


def test_a_run_on_a_stand_in_never_passes_for_a_real_one(
    stock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(CARD, stock, tmp_path, monkeypatch)
    assert collect_real(str(stock), CELLS[:1]).reports[0].shadow


def test_planted_a_card_with_other_multiprocessors_disagrees_by_its_grid(
    stock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(dataclasses.replace(CARD, multiprocessors=100), stock, tmp_path, monkeypatch)
    real = collect_real(str(stock), CELLS).reports[0]
    monkeypatch.undo()
    recorded = collect(str(stock), [CARD], CELLS).reports[0]
    found = agree("L40S", recorded.outcomes, real.outcomes).disagreements
    assert found
    assert {what for one in found for what in one.what} <= {"grid", "other launches"}
