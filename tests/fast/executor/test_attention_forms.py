"""The instruction forms of attention kernels that no other test writes as nvcc does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from llamaproof.executor.machine import Emulator
from tests.support.executor.lanes import aligned, evaluate, run

RNG = np.random.default_rng(20261125)
LEAST_NORMAL = np.float32(2.0**-126)


def flushed(values: Any) -> Any:
    """Subnormals as zeros of their sign."""
    return np.where(np.abs(values) < LEAST_NORMAL, np.copysign(np.float32(0), values), values)


def reals() -> tuple[Any, Any]:
    """Pairs of floats: every two of the odd ones, and random ones of all magnitudes."""
    odd = [0.0, -0.0, 1.0, -1.5, 2.0**-127, -(2.0**-149), 2.0**-126, 2.0**-80, -(2.0**-60)]
    edges = np.array([*odd, np.inf, -np.inf, np.nan], np.float32)
    random = RNG.standard_normal((2, 100)) * 2.0 ** RNG.integers(-60, 60, (2, 100))
    a = np.concatenate([edges.repeat(len(edges)), random[0].astype(np.float32)])
    b = np.concatenate([np.tile(edges, len(edges)), random[1].astype(np.float32)])
    return a, b


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
}


@pytest.mark.parametrize("operation", ARITHMETIC)
def test_arithmetic_that_flushes_subnormals(emulator: Emulator, operation: str) -> None:
    a, b = reals()
    got = evaluate(emulator, f"{operation}.ftz.f32 %d, %a0, %a1;", [a, b], np.float32)
    with np.errstate(all="ignore"):
        # One rounding in double, whose range holds the result, then one to float: for sums and
        # products of floats that is the same as one (53 >= 2 * 24 + 2).
        wide = ARITHMETIC[operation](flushed(a).astype(np.float64), flushed(b).astype(np.float64))
        expected = flushed(wide.astype(np.float32))
    same = (got == expected) & (np.signbit(got) == np.signbit(expected))
    assert np.all(same | (np.isnan(got) & np.isnan(expected)))


def test_maximum_and_negation_that_flush_subnormals(emulator: Emulator) -> None:
    a, b = reals()
    got = evaluate(emulator, "max.ftz.f32 %d, %a0, %a1;", [a, b], np.float32)
    expected = np.fmax(flushed(a), flushed(b))  # of a number and a NaN the number
    assert np.array_equal(got, expected, equal_nan=True)
    got = evaluate(emulator, "neg.ftz.f32 %d, %a0;", [a], np.float32)
    number = ~np.isnan(a)
    assert np.array_equal(got[number].view(np.uint32), (-flushed(a[number])).view(np.uint32))
    assert np.isnan(got[~number]).all()


COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": lambda a, b: a == b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    # True where an operand is NaN.
    "ltu": lambda a, b: ~(a >= b),
    "neu": lambda a, b: ~(a == b),
}


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_comparisons_that_flush_subnormals(emulator: Emulator, comparison: str) -> None:
    a, b = reals()
    code = f"setp.{comparison}.ftz.f32 %q, %a0, %a1; selp.u32 %d, 1, 0, %q;"
    got = evaluate(emulator, code, [a, b], np.uint32)
    expected = COMPARISONS[comparison](flushed(a), flushed(b))
    assert np.array_equal(got, expected.astype(np.uint32))


def test_conversion_to_integers_that_flushes_subnormals(emulator: Emulator) -> None:
    a = np.array([0.99, -0.99, 1.5, -1.5, 2.0**-140, 3e9, -3e9, np.nan, 1e6 + 0.5], np.float32)
    got = evaluate(emulator, "cvt.rzi.ftz.s32.f32 %d, %a0;", [a], np.int32)
    limits = np.iinfo(np.int32)
    assert got.tolist() == [0, 0, 1, -1, 0, limits.max, limits.min, 0, 1_000_000]


@pytest.mark.parametrize(
    ("code", "truth"),  # of (p, r) = (0, 0), (1, 0), (0, 1), (1, 1)
    [
        ("and.pred %q, %q, %q2;", [0, 0, 0, 1]),
        ("or.pred %q, %q, %q2;", [0, 1, 1, 1]),
        ("xor.pred %q, %q, %q2;", [0, 1, 1, 0]),
        ("not.pred %q, %q2;", [1, 1, 0, 0]),
        ("mov.pred %q, %q2;", [0, 0, 1, 1]),
    ],
)
def test_predicates(emulator: Emulator, code: str, truth: list[int]) -> None:
    p, r = np.array([0, 1, 0, 1], np.uint32), np.array([0, 0, 1, 1], np.uint32)
    tests = "setp.eq.b32 %q, %a0, 1; setp.eq.b32 %q2, %a1, 1;"
    got = evaluate(emulator, f"{tests} {code} selp.u32 %d, 1, 0, %q;", [p, r], np.uint32)
    assert got.tolist() == truth


@pytest.mark.parametrize(
    ("dtype", "kinds"),
    [(np.uint16, ("b16", "u16")), (np.uint32, ("f32", "b32")), (np.uint64, ("b64", "u64"))],
)
def test_moves_and_selections(emulator: Emulator, dtype: Any, kinds: tuple[str, ...]) -> None:
    limit = int(np.iinfo(dtype).max)
    a, b = (RNG.integers(0, limit, size=64, dtype=dtype, endpoint=True) for _ in range(2))
    odd = (np.arange(64) % 3 == 0).astype(np.uint32)
    for kind in kinds:
        assert np.array_equal(evaluate(emulator, f"mov.{kind} %d, %a0;", [a], dtype), a)
        code = f"setp.eq.b32 %q, %a2, 1; selp.{kind} %d, %a0, %a1, %q;"
        got = evaluate(emulator, code, [a, b, odd], dtype)
        assert np.array_equal(got, np.where(odd, a, b))


SIZES = {"u8": 1, "u16": 2, "u32": 4, "f32": 4, "u64": 8}


@pytest.mark.parametrize("space", ["shared", "local", "generic"])
@pytest.mark.parametrize(
    ("kind", "width"),
    [(k, w) for k, size in SIZES.items() for w in (1, 2, 4) if size * w <= 16],
)
def test_vectors_through_every_space(emulator: Emulator, space: str, kind: str, width: int) -> None:
    """In by ld.global.nc, through another space, out again with a vector's elements reversed."""
    threads, size = 64, SIZES[kind]
    step = size * width
    data = aligned(RNG.integers(0, 256, size=threads * step, dtype=np.uint8))
    out = aligned(np.zeros_like(data))
    vector = f".v{width}" if width > 1 else ""

    def registers(order: range) -> str:
        names = ", ".join(f"%v{i}" for i in order)
        return f"{{{names}}}" if width > 1 else names

    plain, backwards = registers(range(width)), registers(range(width - 1, -1, -1))
    where = "local" if space == "local" else "shared"
    place = "mov.u32 %s, box;" if where == "local" else f"mad.lo.u32 %s, %t, {step}, %base;"
    access, address = f".{where}", "%s"
    if space == "generic":
        place += "cvt.u64.u32 %g, %s; cvta.shared.u64 %g, %g;"
        access, address = "", "%g"
    text = f"""
.entry k(.param .u64 in, .param .u64 out)
{{
.{where} .align 16 .b8 box[{threads * step}];
.reg .b{max(16, 8 * size)} %v<4>; .reg .b32 %t, %s, %base; .reg .b64 %i, %o, %g;
ld.param.u64 %i, [in]; ld.param.u64 %o, [out]; mov.u32 %t, %tid.x; mov.u32 %base, box;
cvta.to.global.u64 %i, %i; cvta.to.global.u64 %o, %o;
mad.wide.u32 %i, %t, {step}, %i; mad.wide.u32 %o, %t, {step}, %o;
{place}
ld.global.nc{vector}.{kind} {plain}, [%i];
st{access}{vector}.{kind} [{address}], {plain};
{"".join(f"mov.b{max(16, 8 * size)} %v{i}, 0;" for i in range(width))}
bar.warp.sync -1;
bra.uni over;
trap;
over: ld{access}{vector}.{kind} {plain}, [{address}];
st.global{vector}.{kind} [%o], {backwards};
ret;
}}
"""
    launched = run(emulator, text, [data, out], block=threads)
    assert launched.findings == ()
    elements = data.reshape(threads, width, size)
    assert np.array_equal(out.reshape(threads, width, size), elements[:, ::-1])


def test_local_addresses_and_parameters_of_reals(emulator: Emulator) -> None:
    text = """
.entry k(.param .f32 value, .param .u64 out)
{
.local .align 16 .b8 box[64];
.reg .f32 %f<3>; .reg .b32 %t, %l; .reg .b64 %o, %g;
ld.param.f32 %f0, [value]; ld.param.u64 %o, [out]; mov.u32 %t, %tid.x;
mad.wide.u32 %o, %t, 4, %o; cvt.rn.f32.u32 %f1, %t; add.ftz.f32 %f1, %f1, %f0;
mov.u64 %g, box; st.local.f32 [%g+8], %f1; cvta.local.u64 %g, %g;
ld.f32 %f2, [%g+8]; cvta.to.local.u64 %g, %g; ld.local.f32 %f1, [%g+8];
add.ftz.f32 %f1, %f1, %f2; st.global.f32 [%o], %f1;
ret;
}
"""
    out = np.zeros(32, np.float32)
    assert run(emulator, text, [0.5, out]).findings == ()
    assert np.array_equal(out, 2 * (np.arange(32, dtype=np.float32) + 0.5))


@pytest.mark.parametrize("hint", ["", ".L2::64B", ".L2::128B", ".L2::256B"])
def test_asynchronous_copies_with_hints_of_prefetching(emulator: Emulator, hint: str) -> None:
    text = f"""
.entry k(.param .u64 in, .param .u64 out)
{{
.shared .align 16 .b8 box[512];
.reg .b32 %t, %s, %v<4>; .reg .b64 %i, %o;
ld.param.u64 %i, [in]; ld.param.u64 %o, [out]; mov.u32 %t, %tid.x;
mad.wide.u32 %i, %t, 16, %i; mad.wide.u32 %o, %t, 16, %o;
mov.u32 %s, box; mad.lo.u32 %s, %t, 16, %s;
cp.async.cg.shared.global{hint} [%s], [%i], 16;
cp.async.wait_all;
ld.shared.v4.u32 {{%v0, %v1, %v2, %v3}}, [%s];
st.global.v4.u32 [%o], {{%v0, %v1, %v2, %v3}};
ret;
}}
"""
    data = aligned(RNG.integers(0, 256, size=512, dtype=np.uint8))
    out = aligned(np.zeros_like(data))
    launched = run(emulator, text, [data, out])
    assert launched.findings == ()
    assert np.array_equal(out, data)
