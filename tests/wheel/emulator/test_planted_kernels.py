"""Defects planted in ggml's own attention kernels: each is found, and named for what it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from llamaproof.attention.cell import Cell
from llamaproof.attention.error import MAX_NMSE
from llamaproof.attention.families import find_family
from llamaproof.emulator.results import CellResult, CellVerdict
from llamaproof.executor.finding_kind import FindingKind
from llamaproof.executor.machine import KernelFinding
from tests.support.emulator.planted_kernels import (
    COMMON,
    MMA,
    Bench,
    Edit,
    Kernels,
    cell,
)

# One token and many: 35 leave the last tile's rows partly empty. Ratio 16 fills a head group.
ONE = cell("576/512", 20, 1, 1024)
MANY = cell("576/512", 20, 35, 512)
FULL = cell("576/512", 16, 1, 1024)
# A head size whose kernel loads its tiles ahead, in two stages.
AHEAD = cell("64", 4, 8, 1024)
# A ratio that no head group divides.
PARTIAL = cell("576/512", 10, 1, 512)
# So long that sums of large values overflow f16 where one block takes all of it.
LONG = cell("128", 4, 35, 4096)
CELLS = (ONE, MANY, FULL, AHEAD, PARTIAL)
FLAT = find_family("flat")

# The edits, one for each defect: when a patch moves a line, this is what to change.
TILE_OFFSET = Edit(
    MMA,
    "KV + i*stride_KV + k*h2_per_chunk",
    "KV + (i + 1)*stride_KV + k*h2_per_chunk",
)
NO_TOKEN_BOUND = Edit(MMA, "if (jt*ncols1 + j < ne01", "if (jt*ncols1 + j < ne01 + ncols1")
NO_HEAD_BOUND = Edit(MMA, "ne01 && c < nheads", "ne01 && c < ncols2")
# Between writing the parts of a tile to shared memory and adding them up.
NO_BARRIER = Edit(
    MMA,
    "__syncthreads();\n\n        // The first 2*2*gridDim.x*ncols",
    "// The first 2*2*gridDim.x*ncols",
)
MASK_ROW = Edit(
    MMA,
    "__half22float2(tile_mask[j*(c::nbatch_fa/2 + 4) + i])",
    "__half22float2(tile_mask[(j > 0 ? j - 1 : 0)*(c::nbatch_fa/2 + 4) + i])",
)
NO_RESCALE = Edit(
    MMA,
    "KQ_rowsum[col] = KQ_max_scale[col]*KQ_rowsum[col] + KQ_rowsum_add[col];",
    "KQ_rowsum[col] = KQ_max_scale[col]*KQ_rowsum[col] + KQ_rowsum_add[col];"
    " KQ_max_scale[col] = 1.0f;",
)
# A softmax that leaves the maximum in: its numerators are too large for the f16 they become.
F16_OVERFLOW = Edit(
    MMA,
    "expf(KQ_C_16[k*ntiles/2 + t].x[l] - KQ_max_new[KQ_index])",
    "expf(KQ_C_16[k*ntiles/2 + t].x[l])",
)
SKIPPED_BLOCK = Edit(
    COMMON, "int bidx = bidx_first + threadIdx.y;", "int bidx = bidx_first + 1 + threadIdx.y;"
)
PAST_THE_END = Edit(
    MMA,
    "if (!last_iter) {\n            if (ncols2 > 1 || mask_h2) {",
    "{\n            if (ncols2 > 1 || mask_h2) {",
)
UNBOUNDED_SUMS = Edit(MMA, "if (!__any_sync(0xFFFFFFFF, raise)) {", "{")
FIVE_READS = Edit(
    MMA,
    "cp_async_cg_16<preload>(tile_KV_32 +",
    "for (int r = 0; r < 5; ++r) cp_async_wait_all(), cp_async_cg_16<preload>(tile_KV_32 +",
)


@pytest.fixture(scope="module")
def kernels(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernels]:
    folder = tmp_path_factory.mktemp("planted")
    with Bench.opened(wheel, folder) as bench:
        sound = bench.execute(CELLS, name="sound")
        yield Kernels(bench=bench, sound=sound, folder=folder)


@pytest.fixture(scope="module")
def flat_kernels(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernels]:
    """Flat attention on a card of one multiprocessor, where a block sums up the whole context."""
    folder = tmp_path_factory.mktemp("flat")
    with Bench.opened(wheel, folder, multiprocessors=1) as bench:
        sound = bench.execute([LONG], name="sound", family=FLAT)
        yield Kernels(bench=bench, sound=sound, folder=folder, family=FLAT)


def named(result: CellResult, kind: FindingKind) -> KernelFinding:
    """The finding of a kind; it must name the attention kernel and a place in it."""
    found = [f for f in result.findings if f.kind is kind]
    assert found, f"no {kind.words} among {[str(f) for f in result.findings]}"
    assert "flash_attn" in found[0].kernel
    assert found[0].line > 0
    return found[0]


def test_the_wheels_kernels_are_sound(kernels: Kernels) -> None:
    assert {result.verdict for result in kernels.sound.values()} == {CellVerdict.HOLDS}


@pytest.mark.parametrize("where", CELLS, ids=str)
def test_the_unedited_source_does_what_the_wheel_does(kernels: Kernels, where: Cell) -> None:
    """Else a defect found below might be one of how the kernels are compiled here."""
    again = kernels.edited(where, name=f"unedited-{CELLS.index(where)}")
    sound = kernels.sound[where]
    assert again.nmse == sound.nmse
    assert [x.counts for x in again.launches] == [x.counts for x in sound.launches]
    assert [x.kernel for x in again.launches] == [x.kernel for x in sound.launches]


def test_a_tile_one_row_late(kernels: Kernels) -> None:
    result = kernels.edited(ONE, TILE_OFFSET, name="tile-offset")
    assert result.verdict is CellVerdict.WRONG
    assert result.nmse > 100 * MAX_NMSE
    found = named(result, FindingKind.OUT_OF_BOUNDS)  # the last tile's last row
    assert "past the end" in found.detail


def test_a_bound_on_the_tokens_of_a_tile_removed(kernels: Kernels) -> None:
    result = kernels.edited(MANY, NO_TOKEN_BOUND, name="token-bound")
    assert result.nmse <= MAX_NMSE  # what it reads it throws away: no number shows it
    assert result.verdict is CellVerdict.FINDINGS
    found = named(result, FindingKind.OUT_OF_BOUNDS)
    assert "past the end" in found.detail


def test_a_bound_on_the_heads_of_a_group_removed(kernels: Kernels) -> None:
    result = kernels.edited(PARTIAL, NO_HEAD_BOUND, name="head-bound")
    found = named(result, FindingKind.OUT_OF_BOUNDS)
    assert "past the end" in found.detail


def test_a_missing_barrier(kernels: Kernels) -> None:
    result = kernels.edited(ONE, NO_BARRIER, name="barrier")
    named(result, FindingKind.SHARED_RACE)
    assert result.total("barriers") < kernels.sound[ONE].total("barriers")


def test_the_mask_of_the_token_before(kernels: Kernels) -> None:
    result = kernels.edited(MANY, MASK_ROW, name="mask-row")
    assert result.verdict is CellVerdict.WRONG
    assert result.nmse > 100 * MAX_NMSE
    token, _head, _column = result.where
    assert token > 0  # the first has its own mask


def test_an_accumulator_that_is_not_rescaled(kernels: Kernels) -> None:
    # One token's blocks take a step of the cache each, and have nothing to rescale.
    result = kernels.edited(MANY, NO_RESCALE, name="rescale")
    assert result.verdict is CellVerdict.WRONG
    assert result.not_finite == 0


def test_an_overflow_of_f16(kernels: Kernels) -> None:
    result = kernels.edited(ONE, F16_OVERFLOW, name="overflow")
    assert result.verdict is CellVerdict.WRONG
    assert result.not_finite > 0


def test_sums_that_are_not_bounded_overflow_where_attention_is_flat(flat_kernels: Kernels) -> None:
    assert flat_kernels.sound[LONG].verdict is CellVerdict.HOLDS
    result = flat_kernels.edited(LONG, UNBOUNDED_SUMS, name="unbounded")
    assert result.verdict is CellVerdict.WRONG
    assert result.not_finite > 0


def test_a_fixup_that_skips_blocks(kernels: Kernels) -> None:
    result = kernels.edited(ONE, SKIPPED_BLOCK, name="fixup")
    assert result.verdict is CellVerdict.WRONG
    assert result.findings == ()


def test_a_read_past_the_end_of_the_cache(kernels: Kernels) -> None:
    result = kernels.edited(AHEAD, PAST_THE_END, name="past-the-end")
    found = named(result, FindingKind.OUT_OF_BOUNDS)
    assert "past the end" in found.detail


def test_k_read_five_times_shows_in_the_counts_alone(kernels: Kernels) -> None:
    result = kernels.edited(FULL, FIVE_READS, name="five-reads")
    sound = kernels.sound[FULL]
    assert result.verdict is CellVerdict.HOLDS
    assert result.nmse == sound.nmse
    assert result.findings == ()
    assert result.total("mma_ops") == sound.total("mma_ops")
    assert result.total("sectors_read_unique") == sound.total("sectors_read_unique")
    k_sectors = FULL.n_kv * FULL.heads.k * 2 // 32
    requested = "sectors_read_requested"
    assert result.total(requested) - sound.total(requested) >= 4 * k_sectors
