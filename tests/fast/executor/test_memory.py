"""Loads, stores, copies, atomics, control flow: whole small kernels with known results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llamaproof.executor.machine import EmulationError, Emulator
from tests.support.executor.kernels import kernel
from tests.support.executor.lanes import HEADER, evaluate, run

RNG = np.random.default_rng(20261123)


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_vectors(emulator: Emulator, bits: int, width: int) -> None:
    data = RNG.integers(0, 256, size=64 * bits * width // 8, dtype=np.uint8)
    out = np.zeros_like(data)
    vector = f".v{width}" if width > 1 else ""
    registers = ", ".join(f"%{'r' if bits == 32 else 'h'}{i}" for i in range(width))
    registers = f"{{{registers}}}" if width > 1 else registers
    step = bits * width // 8
    code = f"""
mad.wide.u32 %i, %n, {step}, %i; mad.wide.u32 %o, %n, {step}, %o;
ld.global.nc.L1::no_allocate{vector}.u{bits} {registers}, [%i];
st.global{vector}.b{bits} [%o], {registers};
"""
    launched = run(emulator, kernel(code), [data, out], block=64)
    assert launched.findings == ()
    assert np.array_equal(out, data)
    assert launched.counts.global_bytes_read == data.nbytes
    assert launched.counts.global_bytes_written == data.nbytes
    assert launched.counts.sectors_read_unique == -(-data.nbytes // 32) + int(
        data.ctypes.data % 32 != 0
    )


@pytest.mark.parametrize("kind", ["s8", "u8", "s16", "u16"])
def test_narrow_loads_extend(emulator: Emulator, kind: str) -> None:
    dtypes: dict[str, Any] = {"s8": np.int8, "u8": np.uint8, "s16": np.int16, "u16": np.uint16}
    dtype = dtypes[kind]
    data = RNG.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, size=32, dtype=dtype)
    out = np.zeros(32, np.int32)
    code = f"""
mad.wide.u32 %i, %n, {data.itemsize}, %i; mad.wide.u32 %o, %n, 4, %o;
ld.global.{kind} %r0, [%i]; st.global.u32 [%o], %r0;
"""
    run(emulator, kernel(code), [data, out])
    assert np.array_equal(out, data.astype(np.int32))


def test_every_space_holds_its_own(emulator: Emulator) -> None:
    """Shared, local and constant memory, each directly and through generic addresses."""
    text = kernel(
        """
.local .align 8 .b8 depot[16];
.shared .align 8 .b8 box[512];
mov.u64 %x0, depot; cvta.local.u64 %x1, %x0; st.u32 [%x1+8], %n; ld.local.u32 %r0, [depot+8];
mov.u32 %r1, box; mad.lo.u32 %r1, %t, 4, %r1; st.shared.u32 [%r1], %r0;
cvt.u64.u32 %x2, %r1; cvta.shared.u64 %x2, %x2; ld.u32 %r2, [%x2];
isspacep.shared %p0, %x2; isspacep.local %p1, %x2;
selp.u32 %r3, 1000, 0, %p0; selp.u32 %r4, 5000, 0, %p1;
ld.const.u32 %r5, [table+8]; mov.u64 %x3, table; cvta.const.u64 %x3, %x3; ld.u32 %r6, [%x3+4];
add.u32 %r2, %r2, %r3; add.u32 %r2, %r2, %r4; add.u32 %r2, %r2, %r5; add.u32 %r2, %r2, %r6;
mad.wide.u32 %o, %n, 4, %o; st.global.u32 [%o], %r2;
""",
        ".const .align 4 .b32 table[3] = {1, 20000, 300000};",
    )
    out = np.zeros(128, np.uint32)
    launched = run(emulator, text, [0, out], block=64, grid=2, written=[True, False])
    assert launched.findings == ()
    assert np.array_equal(out, np.arange(128) + 1000 + 320000)
    module = emulator.load(HEADER + text)
    k = emulator.kernel(module, "k")
    assert (k.local_bytes, k.static_shared_bytes) == (16, 512)


def test_parameters_of_every_size(emulator: Emulator) -> None:
    text = """
.entry k(.param .u64 out, .param .u8 a, .param .s16 b, .param .align 8 .b8 c[24], .param .f64 d)
{
.reg .b32 %r<4>; .reg .b64 %o, %x, %y; .reg .b16 %h; .reg .f64 %f; .reg .f32 %g;
ld.param.u64 %o, [out]; ld.param.u8 %r0, [a]; ld.param.s16 %r1, [b]; ld.param.u32 %r2, [c+12];
mov.b64 %x, c; ld.param.u32 %r3, [%x+20]; ld.param.f64 %f, [d]; cvt.rn.f32.f64 %g, %f;
st.global.v4.u32 [%o], {%r0, %r1, %r2, %r3}; st.global.f32 [%o+16], %g;
ret;
}
"""
    out = np.zeros(5, np.uint32)
    struct = np.arange(6, dtype=np.uint32).tobytes()
    run(emulator, text, [out, 200, -3, struct, 2.5], block=1)
    assert out[:4].tolist() == [200, (1 << 32) - 3, 3, 5]
    assert out[4:].view(np.float32)[0] == 2.5


def test_asynchronous_copies_land_at_the_wait(emulator: Emulator) -> None:
    code = """
.shared .align 16 .b8 box[1024];
mov.u32 %r0, box; mad.lo.u32 %r0, %t, 16, %r0; mad.wide.u32 %i, %t, 16, %i;
cp.async.cg.shared.global.L2::128B [%r0], [%i], 16;
cp.async.commit_group;
cp.async.ca.shared.global [%r0+512], [%i+512], 8, 4;
cp.async.commit_group;
cp.async.wait_group 1;
ld.shared.u32 %r1, [%r0+12];
cp.async.wait_all;
ld.shared.v2.u32 {%r2, %r3}, [%r0+512];
mad.wide.u32 %o, %t, 12, %o;
st.global.u32 [%o], %r1; st.global.u32 [%o+4], %r2; st.global.u32 [%o+8], %r3;
"""
    data = RNG.integers(1, 1 << 32, size=256, dtype=np.uint32)
    out = np.zeros((32, 3), np.uint32)
    launched = run(emulator, kernel(code), [data, out])
    assert launched.findings == ()
    assert np.array_equal(out[:, 0], data[3:128:4])
    assert np.array_equal(out[:, 1], data[128::4])
    assert not out[:, 2].any()


ATOMICS: dict[str, tuple[str, Any]] = {
    "add.u32": ("u32", lambda v: np.uint32(5) + v.sum(dtype=np.uint32)),
    "min.s32": ("u32", lambda v: min(5, v.view(np.int32).min())),
    "max.u32": ("u32", lambda v: max(5, v.max())),
    "and.b32": ("u32", lambda v: 5 & np.bitwise_and.reduce(v)),
    "or.b32": ("u32", lambda v: 5 | np.bitwise_or.reduce(v)),
    "xor.b32": ("u32", lambda v: 5 ^ np.bitwise_xor.reduce(v)),
    "exch.b32": ("u32", lambda v: v[-1]),
    "inc.u32": ("u32", None),
}


@pytest.mark.parametrize("operation", ATOMICS)
@pytest.mark.parametrize("space", ["global", "shared"])
def test_atomics(emulator: Emulator, operation: str, space: str) -> None:
    code = f"""
.shared .align 4 .b32 cell;
mad.wide.u32 %i, %t, 4, %i; ld.global.u32 %r0, [%i];
setp.eq.u32 %p0, %t, 0; @%p0 st.shared.u32 [cell], 5; @%p0 st.global.u32 [%o], 5;
bar.sync 0;
atom.{space}.{operation} %r1, [{"cell" if space == "shared" else "%o"}], %r0;
bar.sync 0;
@%p0 ld.shared.u32 %r2, [cell]; {"@%p0 st.global.u32 [%o], %r2;" if space == "shared" else ""}
"""
    values = RNG.integers(0, 1 << 32, size=64, dtype=np.uint32)
    out = np.zeros(1, np.uint32)
    with np.errstate(over="ignore"):
        run(emulator, kernel(code), [values, out], block=64)
        if operation == "inc.u32":
            expected = 5
            for value in values.tolist():
                expected = 0 if expected >= value else expected + 1
        else:
            expected = int(ATOMICS[operation][1](values)) & 0xFFFFFFFF
    assert out[0] == expected


def test_compare_and_swap_takes_the_first(emulator: Emulator) -> None:
    code = """
add.u32 %r0, %t, 100;
atom.global.cas.b32 %r1, [%o], 0, %r0;
mad.wide.u32 %i, %t, 4, %i; st.global.u32 [%i], %r1;
"""
    seen = np.zeros(32, np.uint32)
    cell = np.zeros(1, np.uint32)
    run(emulator, kernel(code), [seen, cell])
    assert cell[0] == 100
    assert seen.tolist() == [0] + [100] * 31


def test_blocks_add_up_whatever_the_number_of_threads(emulator: Emulator) -> None:
    code = "mul.lo.u32 %r0, %n, %n; red.global.add.u32 [%o], %r0;"
    total = np.zeros(1, np.uint32)
    expected = sum(n * n for n in range(64 * 50)) % (1 << 32)
    for threads in (1, 2, 3):
        total[0] = 0
        run(emulator, kernel(code), [total.copy(), total], grid=50, block=64, threads=threads)
        assert total[0] == expected


def test_reals_add_up_in_the_order_of_blocks(emulator: Emulator) -> None:
    code = """
mad.wide.u32 %i, %n, 4, %i; .reg .f32 %f; ld.global.f32 %f, [%i]; red.global.add.f32 [%o], %f;
"""
    values = (RNG.standard_normal(64 * 40) * 10.0 ** RNG.integers(-6, 6, 64 * 40)).astype(
        np.float32
    )
    expected = np.float32(0)
    for value in values:
        expected = np.float32(expected + value)
    for threads in (1, 2):
        total = np.zeros(1, np.float32)
        run(emulator, kernel(code), [values, total], grid=40, block=64, threads=threads)
        assert total[0] == expected


def test_lanes_part_and_meet_again(emulator: Emulator) -> None:
    """A loop each lane leaves at its own time, with a branch and an early exit inside."""
    code = """
mov.u32 %d, 0; .reg .b32 %k; mov.u32 %k, %a0;
loop:
setp.eq.u32 %q, %k, 0; @%q bra out;
and.b32 %n, %k, 1; setp.eq.u32 %q, %n, 1;
@%q bra odd;
add.u32 %d, %d, 2; bra next;
odd:
add.u32 %d, %d, 30;
setp.eq.u32 %q2, %k, 7; @%q2 bra out;
next:
sub.u32 %k, %k, 1; bra loop;
out:
.reg .b32 %m; activemask.b32 %m; popc.b32 %m, %m; mad.lo.u32 %d, %m, 1000, %d;
mov.u32 %n, %ctaid.x; mov.u32 %t, %ntid.x; mov.u32 %u, %tid.x; mad.lo.u32 %n, %n, %t, %u;
"""
    a = RNG.integers(0, 20, size=64, dtype=np.uint32)
    got = evaluate(emulator, code, [a], np.uint32)

    def meaning(k: int) -> int:
        total = 0
        while k:
            if k & 1:
                total += 30
                if k == 7:
                    break
            else:
                total += 2
            k -= 1
        return total + 32000

    assert got.tolist() == [meaning(int(k)) for k in a]


def test_branches_by_table(emulator: Emulator) -> None:
    code = """
table: .branchtargets zero, one, two;
brx.idx %a0, table;
zero: mov.u32 %d, 10; bra join;
one: mov.u32 %d, 11; bra join;
two: mov.u32 %d, 12;
join: add.u32 %d, %d, 100;
"""
    a = np.resize(np.array([0, 1, 2, 2, 1], np.uint32), 64)
    assert evaluate(emulator, code, [a], np.uint32).tolist() == [110 + int(x) for x in a]


def test_barrier_reductions(emulator: Emulator) -> None:
    code = """
setp.lt.u32 %p0, %t, 40;
barrier.cta.red.popc.aligned.u32 %r0, 0, %p0;
bar.red.and.pred %p1, 0, %p0; bar.red.or.pred %p2, 0, %p0;
selp.u32 %r1, 1000, 0, %p1; selp.u32 %r2, 100, 0, %p2;
add.u32 %r0, %r0, %r1; add.u32 %r0, %r0, %r2;
mad.wide.u32 %o, %t, 4, %o; st.global.u32 [%o], %r0;
"""
    out = np.zeros(64, np.uint32)
    run(emulator, kernel(code), [0, out], block=64)
    assert set(out.tolist()) == {140}


def test_a_kernel_that_never_ends_is_stopped(emulator: Emulator) -> None:
    with pytest.raises(EmulationError, match="may never end"):
        run(
            emulator,
            kernel("spin: bra spin;"),
            [np.zeros(4, np.uint32), np.zeros(4, np.uint32)],
            instruction_limit=1000,
        )


def test_the_time_of_the_clock_is_repeatable(emulator: Emulator) -> None:
    code = "mov.u64 %x0, %clock64; st.global.u64 [%o], %x0;"
    seen = set()
    for _ in range(3):
        out = np.zeros(1, np.uint64)
        run(emulator, kernel(code), [np.zeros(1, np.uint64), out])
        seen.add(int(out[0]))
    assert len(seen) == 1
