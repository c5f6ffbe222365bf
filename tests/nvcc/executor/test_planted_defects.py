"""Defects planted in attention: the numbers, the checker or the counts find each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llamaproof.attention.error import MAX_NMSE, nmse
from llamaproof.executor.counts import Counts
from llamaproof.executor.finding_kind import FindingKind
from llamaproof.executor.machine import Emulator, KernelFinding
from llamaproof.process import run
from tests.support.executor.lanes import aligned
from tests.support.toolkit import nvcc

HEADS, TOKENS, KV, SPLITS, HEAD_SIZE = 5, 4, 200, 3, 64


@pytest.fixture(scope="module")
def ptx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    out = tmp_path_factory.mktemp("ptx") / "attention.ptx"
    source = Path(__file__).with_name("attention.cu")
    run([nvcc(), "-ptx", "-std=c++17", "-arch=compute_80", source, "-o", out])
    yield out.read_text()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    nmse: float
    findings: tuple[KernelFinding, ...]
    counts: Counts

    @property
    def kinds(self) -> set[FindingKind]:
        return {finding.kind for finding in self.findings}


def attention(emulator: Emulator, ptx: str, defect: str, *, extra_heads: int = 0) -> Outcome:
    rng = np.random.default_rng(3)
    q = 2 * rng.standard_normal((TOKENS, HEADS, HEAD_SIZE), dtype=np.float32)
    k = rng.standard_normal((KV, HEAD_SIZE)).astype(np.float16)
    v = rng.standard_normal((KV, HEAD_SIZE)).astype(np.float16)
    mask = np.zeros((TOKENS, KV), np.float16)
    for token in range(TOKENS):
        mask[token, KV - 40 * (TOKENS - 1 - token) :] = -np.inf
    out = np.zeros((TOKENS, HEADS, HEAD_SIZE), np.float32)
    part = np.zeros((SPLITS, TOKENS, HEADS, HEAD_SIZE), np.float32)
    meta = np.zeros((SPLITS, TOKENS, HEADS, 2), np.float32)
    # An allocation that ends with the cache: what lies behind it belongs to nobody.
    defined: list[Any] = [aligned(array) for array in (q, k, v, mask)]
    results: list[Any] = [aligned(array) for array in (out, part, meta)]
    buffers = [emulator.buffer(array) for array in defined]
    buffers += [emulator.buffer(array, written=False) for array in results]
    scale = 1 / np.sqrt(HEAD_SIZE)
    module = emulator.load(ptx)
    main = emulator.launch(
        emulator.kernel(module, f"attention_{defect}"),
        grid=(HEADS + extra_heads, TOKENS, SPLITS),
        block=(HEAD_SIZE,),
        arguments=[*buffers[:4], buffers[5], buffers[6], HEADS, KV, SPLITS, float(scale)],
    )
    fixup = emulator.launch(
        emulator.kernel(module, f"combine_{defect}"),
        grid=(HEADS, TOKENS),
        block=(HEAD_SIZE,),
        arguments=[buffers[5], buffers[6], buffers[4], HEADS, SPLITS],
    )
    scores = np.einsum("thc,nc->thn", q.astype(np.float64), k.astype(np.float64)) * scale
    scores += mask.astype(np.float64)[:, None, :]
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    expected = weights @ v.astype(np.float64)
    return Outcome(
        nmse=nmse(results[0], expected),
        findings=main.findings + fixup.findings,
        counts=main.counts,
    )


def test_the_sound_kernel_holds(emulator: Emulator, ptx: str) -> None:
    outcome = attention(emulator, ptx, "NONE", extra_heads=3)
    assert outcome.nmse < 1e-9
    assert outcome.findings == ()


@pytest.mark.parametrize(
    "defect", ["TILE_OFFSET", "MASK_ROW", "NO_RESCALE", "F16_OVERFLOW", "SKIPPED_PART"]
)
def test_wrong_numbers_are_found(emulator: Emulator, ptx: str, defect: str) -> None:
    assert attention(emulator, ptx, defect).nmse > 2 * MAX_NMSE


def test_a_head_beyond_the_last_is_found(emulator: Emulator, ptx: str) -> None:
    outcome = attention(emulator, ptx, "HEAD_BOUND", extra_heads=3)
    assert FindingKind.OUT_OF_BOUNDS in outcome.kinds
    named = next(f for f in outcome.findings if f.kind is FindingKind.OUT_OF_BOUNDS)
    assert named.kernel == "attention_HEAD_BOUND"
    assert named.block[0] >= HEADS


def test_a_missing_barrier_is_found(emulator: Emulator, ptx: str) -> None:
    outcome = attention(emulator, ptx, "MISSING_BARRIER")
    assert FindingKind.SHARED_RACE in outcome.kinds


def test_a_read_past_the_cache_is_found(emulator: Emulator, ptx: str) -> None:
    outcome = attention(emulator, ptx, "PAST_THE_END")
    assert FindingKind.OUT_OF_BOUNDS in outcome.kinds
    assert any("past the end of the allocation" in f.detail for f in outcome.findings)


def test_five_reads_of_k_are_right_and_counted(emulator: Emulator, ptx: str) -> None:
    sound = attention(emulator, ptx, "NONE").counts
    wasteful = attention(emulator, ptx, "FIVE_READS")
    assert wasteful.nmse < 1e-9
    assert wasteful.findings == ()
    k_bytes = KV * HEAD_SIZE * 2 * HEADS * TOKENS
    assert wasteful.counts.global_bytes_read - sound.global_bytes_read == 4 * k_bytes
    assert wasteful.counts.sectors_read_unique == sound.sectors_read_unique
    assert wasteful.counts.sectors_read_requested > 2 * sound.sectors_read_requested
