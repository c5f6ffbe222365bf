"""What lanes exchange, and how matrices lie across a warp, against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llamaproof.executor.machine import Emulator
from tests.support.executor.kernels import MATRIX_KERNEL
from tests.support.executor.lanes import evaluate, run

RNG = np.random.default_rng(20261123)
LANE = np.arange(32)


def evaluate_warp(emulator: Emulator, code: str, sources: list[Any], result: Any) -> Any:
    return evaluate(emulator, code, sources, result, threads=32)


@pytest.mark.parametrize("mode", ["up", "down", "bfly", "idx"])
@pytest.mark.parametrize("width", [32, 16, 8, 4])
def test_shuffles(emulator: Emulator, mode: str, width: int) -> None:
    """As CUDA's __shfl_*_sync with a width builds its clamp operand."""
    a = RNG.integers(0, 1 << 32, size=32, dtype=np.uint32)
    clamp = ((32 - width) << 8) | (0 if mode == "up" else 31)
    for offset in (0, 1, 3, width // 2, width - 1, 31):
        code = f"shfl.sync.{mode}.b32 %d|%q, %a0, {offset}, {clamp}, -1; @!%q add.u32 %d, %d, 1;"
        got = evaluate_warp(emulator, code, [a], np.uint32)
        for lane in range(32):
            base = lane // width * width
            inside = lane - base
            source = {
                "up": inside - offset,
                "down": inside + offset,
                "bfly": inside ^ offset,
                "idx": offset % width,
            }[mode]
            # A butterfly may leave its segment downwards, never past its last lane.
            if mode == "bfly":
                valid, source = (lane ^ offset) < base + width, (lane ^ offset) - base
            elif mode == "up":
                valid = source >= 0
            else:
                valid = source < width
            expected = int(a[base + source]) if valid else (int(a[lane]) + 1) & 0xFFFFFFFF
            assert got[lane] == expected, (mode, width, offset, lane)


def test_votes(emulator: Emulator) -> None:
    for values in (np.zeros(32), np.ones(32), (LANE % 3 == 0), (LANE == 31)):
        a = values.astype(np.uint32)
        setp = "setp.ne.u32 %q, %a0, 0;"
        ballot = evaluate_warp(emulator, f"{setp} vote.sync.ballot.b32 %d, %q, -1;", [a], np.uint32)
        assert set(ballot.tolist()) == {sum(1 << i for i in range(32) if a[i])}
        for mode, expected in (
            ("all", a.all()),
            ("any", a.any()),
            ("uni", a.all() or not a.any()),
        ):
            got = evaluate_warp(
                emulator,
                f"{setp} vote.sync.{mode}.pred %q2, %q, -1; selp.u32 %d, 1, 0, %q2;",
                [a],
                np.uint32,
            )
            assert set(got.tolist()) == {int(expected)}, mode


def test_votes_of_a_part_of_the_warp(emulator: Emulator) -> None:
    code = (
        "mov.u32 %d, 0; .reg .b32 %l; mov.u32 %l, %laneid; setp.lt.u32 %q, %l, 8;"
        "setp.eq.u32 %q2, %a0, 1; @%q vote.sync.ballot.b32 %d, %q2, 255;"
    )
    got = evaluate_warp(emulator, code, [np.ones(32, np.uint32)], np.uint32)
    assert got[:8].tolist() == [255] * 8
    assert got[8:].tolist() == [0] * 24


def test_matches(emulator: Emulator) -> None:
    a = (LANE % 5).astype(np.uint32)
    got = evaluate_warp(emulator, "match.any.sync.b32 %d, %a0, -1;", [a], np.uint32)
    for lane in range(32):
        assert got[lane] == sum(1 << i for i in range(32) if a[i] == a[lane])
    code = "match.all.sync.b32 %d|%q, %a0, -1; @%q add.u32 %d, %d, 7;"
    same = evaluate_warp(emulator, code, [np.full(32, 9, np.uint32)], np.uint32)
    assert set(same.tolist()) == {6}  # 0xffffffff + 7
    assert set(evaluate_warp(emulator, code, [a], np.uint32).tolist()) == {0}


def test_reductions(emulator: Emulator) -> None:
    a = RNG.integers(-1000, 1000, size=32, dtype=np.int32)
    u = a.view(np.uint32)
    for code, expected in (
        ("add.s32", int(a.sum())),
        ("min.s32", int(a.min())),
        ("max.s32", int(a.max())),
        ("min.u32", int(u.min())),
        ("max.u32", int(u.max())),
        ("and.b32", int(np.bitwise_and.reduce(u))),
        ("or.b32", int(np.bitwise_or.reduce(u))),
        ("xor.b32", int(np.bitwise_xor.reduce(u))),
    ):
        got = evaluate_warp(emulator, f"redux.sync.{code} %d, %a0, -1;", [a], np.uint32)
        assert set(got.tolist()) == {expected & 0xFFFFFFFF}, code


def test_one_lane_is_elected(emulator: Emulator) -> None:
    got = evaluate_warp(emulator, "elect.sync %d|%q, -1; @%q add.u32 %d, %d, 100;", [], np.uint32)
    assert got[0] - got[1] == 100
    assert len(set(got[1:].tolist())) == 1


@pytest.mark.parametrize("trans", [False, True])
@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_ldmatrix(emulator: Emulator, count: int, trans: bool, generic: bool) -> None:
    tiles = RNG.integers(0, 1 << 16, size=(4, 8, 8), dtype=np.uint16)
    registers = "{" + ", ".join(f"%r{i}" for i in range(count)) + "}"
    suffix = ".trans" if trans else ""
    clear = " ".join(f"mov.u32 %r{i}, 0;" for i in range(4))
    if generic:
        fetch = (
            ".reg .b64 %g; cvt.u64.u32 %g, %s; cvta.shared.u64 %g, %g;"
            f"ldmatrix.sync.aligned.m8n8.x{count}{suffix}.b16 {registers}, [%g];"
        )
    else:
        fetch = f"ldmatrix.sync.aligned.m8n8.x{count}{suffix}.shared.b16 {registers}, [%s];"
    out = np.zeros((32, 4), np.uint32)
    run(emulator, MATRIX_KERNEL.format(code=clear + fetch), [tiles, out, np.uint32(0)])
    for matrix in range(4):
        expected = tiles[matrix].T if trans else tiles[matrix]
        expected = np.ascontiguousarray(expected).view(np.uint32).reshape(32)
        got = out[:, matrix]
        assert np.array_equal(got, expected if matrix < count else np.zeros(32)), matrix


@pytest.mark.parametrize("trans", [False, True])
def test_stmatrix_undoes_ldmatrix(emulator: Emulator, trans: bool) -> None:
    tiles = RNG.integers(0, 1 << 16, size=(4, 8, 8), dtype=np.uint16)
    suffix = ".trans" if trans else ""
    code = (
        f"ldmatrix.sync.aligned.m8n8.x4{suffix}.shared.b16 {{%r4, %r5, %r6, %r7}}, [%s];"
        "bar.sync 0; st.shared.u32 [%s], 0; bar.sync 0;"
        f"stmatrix.sync.aligned.m8n8.x4{suffix}.shared.b16 [%s], {{%r4, %r5, %r6, %r7}};"
        "bar.sync 0; ld.shared.v4.u32 {%r0, %r1, %r2, %r3}, [%s];"
    )
    out = np.zeros((4, 8, 8), np.uint16)
    run(emulator, MATRIX_KERNEL.format(code=code), [tiles, out, np.uint32(0)])
    assert np.array_equal(out, tiles)


def test_movmatrix_transposes(emulator: Emulator) -> None:
    tile = RNG.integers(0, 1 << 16, size=(8, 8), dtype=np.uint16)
    words = np.ascontiguousarray(tile).view(np.uint32).reshape(32)
    got = evaluate_warp(
        emulator, "movmatrix.sync.aligned.m8n8.trans.b16 %d, %a0;", [words], np.uint32
    )
    assert np.array_equal(got.view(np.uint16).reshape(8, 8), tile.T)


def fragment_a(matrix: Any) -> list[Any]:
    """Rows g and g + 8, in chunks of 16 bytes of columns: the registers of an mma's A."""
    rows, columns = matrix.shape
    chunk = 16 // matrix.itemsize
    registers = []
    for begin in range(0, columns, chunk):
        for top in range(0, rows, 8):
            part = np.ascontiguousarray(matrix[top : top + 8, begin : begin + chunk])
            registers.append(part.view(np.uint32).reshape(32))
    return registers


def fragment_c(matrix: Any) -> list[Any]:
    """32-bit accumulators: two neighbouring columns to a lane."""
    registers = []
    for top in range(0, matrix.shape[0], 8):
        pairs = matrix[top : top + 8].reshape(32, 2)
        registers += [np.ascontiguousarray(pairs[:, i]) for i in range(2)]
    return registers


def mma(emulator: Emulator, instruction: str, a: Any, b: Any, c: Any) -> Any:
    """Run one mma on whole matrices and put its result together again."""
    half = c.dtype == np.float16
    sources = fragment_a(a) + fragment_a(np.ascontiguousarray(b.T))
    sources += fragment_a(c) if half else fragment_c(c)
    count_a = len(fragment_a(a))
    count_b = len(fragment_a(np.ascontiguousarray(b.T)))
    count_c = len(sources) - count_a - count_b
    names = [f"%a{i}" for i in range(len(sources))]
    groups = [
        "{" + ", ".join(names[:count_a]) + "}",
        "{" + ", ".join(names[count_a : count_a + count_b]) + "}",
        "{" + ", ".join(names[count_a + count_b :]) + "}",
    ]
    results = []
    for index in range(count_c):
        outputs = ", ".join("%d" if i == index else "_" for i in range(count_c))
        code = f"mma.sync.aligned.{instruction} {{{outputs}}}, {', '.join(groups)};"
        results.append(evaluate_warp(emulator, code, sources, np.uint32))
    rows = c.shape[0]
    if half:
        parts = [r.view(np.float16).reshape(8, 8) for r in results]
        return np.concatenate(parts)
    out = np.zeros((rows, 8), c.dtype)
    for top in range(rows // 8):
        pair = [r.view(c.dtype) for r in results[2 * top : 2 * top + 2]]
        out[8 * top : 8 * top + 8] = np.stack(pair, axis=1).reshape(8, 8)
    return out


@pytest.mark.parametrize("k", [8, 16])
@pytest.mark.parametrize("accumulator", ["f16", "f32"])
def test_mma_of_halves(emulator: Emulator, k: int, accumulator: str) -> None:
    dtype = np.float16 if accumulator == "f16" else np.float32
    a = RNG.standard_normal((16, k)).astype(np.float16)
    b = RNG.standard_normal((k, 8)).astype(np.float16)
    c = RNG.standard_normal((16, 8)).astype(dtype)
    got = mma(emulator, f"m16n8k{k}.row.col.{accumulator}.f16.f16.{accumulator}", a, b, c)
    exact = a.astype(np.float64) @ b.astype(np.float64) + c
    # One rounding to the accumulator's format, after sums in f32.
    allowed = 2.0**-10 if accumulator == "f16" else 2.0**-20
    assert np.max(np.abs(got - exact)) <= allowed * np.max(np.abs(exact))
    # Integers small enough are exact in any order.
    a, b, c = (RNG.integers(-8, 9, size=x.shape).astype(x.dtype) for x in (a, b, c))
    got = mma(emulator, f"m16n8k{k}.row.col.{accumulator}.f16.f16.{accumulator}", a, b, c)
    assert np.array_equal(got, (a.astype(np.int64) @ b.astype(np.int64) + c).astype(dtype))


@pytest.mark.parametrize("k", [8, 16])
def test_mma_of_bfloats(emulator: Emulator, k: int) -> None:
    a = RNG.integers(-64, 65, size=(16, k)).astype(np.float32)
    b = RNG.integers(-64, 65, size=(k, 8)).astype(np.float32)
    c = RNG.integers(-64, 65, size=(16, 8)).astype(np.float32)
    narrow = [np.ascontiguousarray((x.view(np.uint32) >> 16).astype(np.uint16)) for x in (a, b)]
    got = mma(emulator, f"m16n8k{k}.row.col.f32.bf16.bf16.f32", narrow[0], narrow[1], c)
    assert np.array_equal(got, a @ b + c)


@pytest.mark.parametrize("k", [4, 8])
def test_mma_of_tf32_ignores_the_lower_bits(emulator: Emulator, k: int) -> None:
    a = RNG.integers(-64, 65, size=(16, k)).astype(np.float32)
    b = RNG.integers(-64, 65, size=(k, 8)).astype(np.float32)
    c = RNG.integers(-64, 65, size=(16, 8)).astype(np.float32)
    noisy = (a.view(np.uint32) | np.uint32(0x1ABC)).view(np.float32)
    got = mma(emulator, f"m16n8k{k}.row.col.f32.tf32.tf32.f32", noisy, b, c)
    assert np.array_equal(got, a @ b + c)


@pytest.mark.parametrize("shape", ["m16n8k32", "m16n8k16", "m8n8k16"])
@pytest.mark.parametrize(("ta", "tb"), [("s8", "s8"), ("u8", "u8"), ("s8", "u8"), ("u8", "s8")])
def test_mma_of_bytes(emulator: Emulator, shape: str, ta: str, tb: str) -> None:
    rows, k = int(shape[1 : shape.index("n")]), int(shape[shape.index("k") + 1 :])
    dtypes: dict[str, Any] = {"s8": np.int8, "u8": np.uint8}
    a = RNG.integers(0, 256, size=(rows, k), dtype=np.uint8).view(dtypes[ta])
    b = RNG.integers(0, 256, size=(k, 8), dtype=np.uint8).view(dtypes[tb])
    c = RNG.integers(-(1 << 31), 1 << 31, size=(rows, 8), dtype=np.int64).astype(np.int32)
    exact = a.astype(np.int64) @ b.astype(np.int64) + c
    got = mma(emulator, f"{shape}.row.col.s32.{ta}.{tb}.s32", a, b, c)
    assert np.array_equal(got, exact.astype(np.int32))
    limits = np.iinfo(np.int32)
    got = mma(emulator, f"{shape}.row.col.satfinite.s32.{ta}.{tb}.s32", a, b, c)
    assert np.array_equal(got, np.clip(exact, limits.min, limits.max).astype(np.int32))


def test_columns_of_zeros_are_counted_as_idle(emulator: Emulator) -> None:
    text = """
.entry k(.param .u64 out)
{
.reg .b32 %l, %b, %r<4>; .reg .f32 %f<4>; .reg .pred %q; .reg .b64 %p;
mov.u32 %l, %laneid; setp.lt.u32 %q, %l, 12;
selp.b32 %b, 0x3c003c00, 0x80000000, %q;
mov.b32 %r0, 0x3c003c00;
mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f0, %f1, %f2, %f3}, {%r0, %r0}, {%b},
  {0f00000000, 0f00000000, 0f00000000, 0f00000000};
ld.param.u64 %p, [out]; st.global.f32 [%p], %f0;
ret;
}
"""
    counts = run(emulator, text, [np.zeros(32, np.float32)]).counts
    # Lanes 0 to 11 hold columns 0 to 2; minus zero is zero.
    assert (counts.mma_ops, counts.mma_columns, counts.mma_columns_used) == (1, 8, 3)
    assert (counts.mma_rows, counts.mma_rows_used) == (16, 16)
    assert counts.mma_macs == 16 * 8 * 8
    assert counts.mma_macs_used == 16 * 3 * 8
