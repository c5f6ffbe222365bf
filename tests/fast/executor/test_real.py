"""Floating-point instructions against exact rational arithmetic, rounded once."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from llamaproof.executor.machine import Emulator
from tests.support.executor.exact import (
    BFLOAT,
    DOUBLE,
    HALF,
    SINGLE,
    Format,
    round_integer,
    round_to,
    value_of,
)
from tests.support.executor.lanes import evaluate

RNG = np.random.default_rng(20261123)

SINGLES = [
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x00800000, 0x3F800000, 0xBF800000,
    0x3F800001, 0x3FFFFFFF, 0x40490FDB, 0x7F7FFFFF, 0xFF7FFFFF, 0x33800000, 0x4B800000, 0x4B7FFFFF,
]  # fmt: skip
SPECIAL_SINGLES = [*SINGLES, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00001, 0x7F800001]
HALVES = [
    0,
    0x8000,
    1,
    0x8001,
    0x03FF,
    0x0400,
    0x3C00,
    0xBC00,
    0x3C01,
    0x7BFF,
    0xFBFF,
    0x1400,
    0x6400,
]
BFLOATS = [0, 0x8000, 1, 0x007F, 0x0080, 0x3F80, 0xBF80, 0x3F81, 0x7F7F, 0xFF7F, 0x3380, 0x4B80]


def patterns(fmt: Format, count: int, edges: list[int]) -> list[np.ndarray[Any, Any]]:
    """Edge values against each other, then random finite values of moderate and of any exponent."""
    dtype = {16: np.uint16, 32: np.uint32, 64: np.uint64}[fmt.bits]
    grids = np.meshgrid(*([np.array(edges, dtype)] * count))
    columns = []
    for grid in grids:
        near = RNG.standard_normal(150)
        bits = np.array([round_to(Fraction(float(x)), fmt) for x in near], dtype)
        wild = RNG.integers(0, 1 << fmt.bits, size=150, dtype=np.uint64).astype(dtype)
        finite = ((wild >> np.array(fmt.fraction, dtype)) & np.array(fmt.top, dtype)) != fmt.top
        wild[~finite] = 0
        columns.append(np.concatenate([grid.ravel(), bits, wild]))
    return columns


def flush(value: Fraction | float, bits: int, fmt: Format) -> Fraction | float:
    """.ftz: subnormals are zero."""
    exponent = (bits >> fmt.fraction) & fmt.top
    return Fraction(0) if exponent == 0 else value


def check_exact(
    emulator: Emulator,
    code: str,
    sources: list[Any],
    fmt: Format,
    meaning: Callable[..., Fraction | None],
    *,
    mode: str = "rn",
    ftz: bool = False,
    sat: bool = False,
) -> None:
    """Compare every finite case; `meaning` gives None where the exact result is no number.

    The sign of an exact zero is left to test_signs_of_zero.
    """
    dtype = sources[0].dtype
    got = evaluate(emulator, code, sources, dtype)
    compared = 0
    for index, raw in enumerate(zip(*(s.tolist() for s in sources), strict=True)):
        values = [value_of(bits, fmt) for bits in raw]
        if ftz:
            values = [flush(v, bits, fmt) for v, bits in zip(values, raw, strict=True)]
        exact = meaning(*values)
        if exact is None:
            continue
        if sat:
            exact = min(max(exact, Fraction(0)), Fraction(1))
        expected = round_to(exact, fmt, mode)
        if ftz and (expected >> fmt.fraction) & fmt.top == 0:
            expected = 0
        mine = int(got[index])
        if expected & ~(1 << (fmt.bits - 1)) == 0:
            assert mine & ~(1 << (fmt.bits - 1)) == 0, (code, [hex(r) for r in raw], hex(mine))
        else:
            assert mine == expected, (code, [hex(r) for r in raw], hex(mine), hex(expected))
        compared += 1
    assert compared > 100


ARITHMETIC: dict[str, tuple[int, Callable[..., Fraction | None]]] = {
    "add": (2, lambda a, b: a + b),
    "sub": (2, lambda a, b: a - b),
    "mul": (2, lambda a, b: a * b),
    "fma": (3, lambda a, b, c: a * b + c),
}


@pytest.mark.parametrize("mode", ["rn", "rz", "rm", "rp"])
@pytest.mark.parametrize("operation", ARITHMETIC)
def test_single_arithmetic(emulator: Emulator, operation: str, mode: str) -> None:
    count, meaning = ARITHMETIC[operation]
    sources = patterns(SINGLE, count, SINGLES if count == 2 else SINGLES[::2])
    names = ", ".join(f"%a{i}" for i in range(count))
    check_exact(
        emulator, f"{operation}.{mode}.f32 %d, {names};", sources, SINGLE, meaning, mode=mode
    )
    check_exact(
        emulator,
        f"{operation}.{mode}.ftz.f32 %d, {names};",
        sources,
        SINGLE,
        meaning,
        mode=mode,
        ftz=True,
    )
    check_exact(
        emulator,
        f"{operation}.{mode}.sat.f32 %d, {names};",
        sources,
        SINGLE,
        meaning,
        mode=mode,
        sat=True,
    )


@pytest.mark.parametrize("mode", ["rn", "rz", "rm", "rp"])
@pytest.mark.parametrize("operation", ARITHMETIC)
def test_double_arithmetic(emulator: Emulator, operation: str, mode: str) -> None:
    count, meaning = ARITHMETIC[operation]
    edges = [round_to(Fraction(x), DOUBLE) for x in (0, 1, -1, 3, Fraction(1, 3), 2**60)]
    sources = patterns(DOUBLE, count, [*edges, 1, 0x7FEFFFFFFFFFFFFF])
    names = ", ".join(f"%a{i}" for i in range(count))
    check_exact(
        emulator, f"{operation}.{mode}.f64 %d, {names};", sources, DOUBLE, meaning, mode=mode
    )


@pytest.mark.parametrize("mode", ["rn", "rz", "rm", "rp"])
def test_quotients_and_reciprocals(emulator: Emulator, mode: str) -> None:
    for name, fmt, edges in (("f32", SINGLE, SINGLES), ("f64", DOUBLE, [1, 1 << 62, 0])):
        a, b = patterns(fmt, 2, edges)
        check_exact(
            emulator,
            f"div.{mode}.{name} %d, %a0, %a1;",
            [a, b],
            fmt,
            lambda x, y: x / y if y else None,
            mode=mode,
        )
        check_exact(
            emulator,
            f"rcp.{mode}.{name} %d, %a0;",
            [a],
            fmt,
            lambda x: 1 / x if x else None,
            mode=mode,
        )


@pytest.mark.parametrize("mode", ["rn", "rz", "rm", "rp"])
def test_square_roots(emulator: Emulator, mode: str) -> None:
    for name, fmt, edges in (("f32", SINGLE, SINGLES), ("f64", DOUBLE, [1, 1 << 62, 0])):
        (a,) = patterns(fmt, 1, edges)
        dtype = a.dtype
        got = evaluate(emulator, f"sqrt.{mode}.{name} %d, %a0;", [a], dtype)
        compared = 0
        for bits, mine in zip(a.tolist(), got.tolist(), strict=True):
            x = value_of(bits, fmt)
            if not isinstance(x, Fraction) or x <= 0:
                continue
            compared += 1
            # An integer square root with 200 more bits than needed, and one bit for "not exact".
            scale = 2 * (fmt.fraction + 600)
            shifted = x * Fraction(2) ** scale
            root = math.isqrt(int(shifted))
            exact = Fraction(root) / Fraction(2) ** (scale // 2)
            if exact * exact != x:
                exact += Fraction(1, 2) / Fraction(2) ** (scale // 2)
            assert mine == round_to(exact, fmt, mode), (name, mode, hex(bits))
        assert compared > 50


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "fmt", "edges"), [("f16", HALF, HALVES), ("bf16", BFLOAT, BFLOATS)]
)
@pytest.mark.parametrize("operation", ARITHMETIC)
def test_half_arithmetic(
    emulator: Emulator, operation: str, name: str, fmt: Format, edges: list[int], packed: bool
) -> None:
    count, meaning = ARITHMETIC[operation]
    sources = patterns(fmt, count, edges)
    names = ", ".join(f"%a{i}" for i in range(count))
    if not packed:
        check_exact(emulator, f"{operation}.rn.{name} %d, {names};", sources, fmt, meaning)
        if name == "f16":
            check_exact(
                emulator,
                f"{operation}.ftz.sat.f16 %d, {names};",
                sources,
                fmt,
                meaning,
                ftz=True,
                sat=True,
            )
        return
    even = [s[: len(s) // 2 * 2] for s in sources]
    words = [np.ascontiguousarray(s).view(np.uint32) for s in even]
    got = evaluate(emulator, f"{operation}.rn.{name}x2 %d, {names};", words, np.uint32)
    plain = evaluate(emulator, f"{operation}.rn.{name} %d, {names};", even, np.uint16)
    assert np.array_equal(got.view(np.uint16), plain)


def test_signs_of_zero(emulator: Emulator) -> None:
    zero, minus = 0x00000000, 0x80000000
    a = np.array([zero, minus, minus, 0x3F800000, zero], np.uint32)
    b = np.array([minus, zero, minus, 0xBF800000, 0xBF800000], np.uint32)
    total = evaluate(emulator, "add.f32 %d, %a0, %a1;", [a, b], np.uint32)
    assert total.tolist() == [zero, zero, minus, zero, 0xBF800000]
    down = evaluate(emulator, "add.rm.f32 %d, %a0, %a1;", [a, b], np.uint32)
    assert down.tolist() == [minus, minus, minus, minus, 0xBF800000]
    product = evaluate(emulator, "mul.f32 %d, %a0, %a1;", [a, b], np.uint32)
    assert product.tolist() == [minus, minus, zero, 0xBF800000, minus]


def test_infinities_and_nan(emulator: Emulator) -> None:
    inf, minus, nan = 0x7F800000, 0xFF800000, 0x7FC00123
    one, zero, canonical = 0x3F800000, 0, 0x7FFFFFFF
    a = np.array([inf, inf, nan, one, inf], np.uint32)
    b = np.array([inf, minus, one, nan, zero], np.uint32)
    total = evaluate(emulator, "add.f32 %d, %a0, %a1;", [a, b], np.uint32)
    assert total.tolist() == [inf, canonical, canonical, canonical, inf]
    product = evaluate(emulator, "mul.f32 %d, %a0, %a1;", [a, b], np.uint32)
    assert product.tolist() == [inf, minus, canonical, canonical, canonical]
    clamped = evaluate(emulator, "add.sat.f32 %d, %a0, %a1;", [a, b], np.uint32)
    assert clamped.tolist() == [one, zero, zero, zero, one]
    half = evaluate(
        emulator,
        "add.f16 %d, %a0, %a1;",
        [np.array([0x7C00], np.uint16), np.array([0xFC00], np.uint16)],
        np.uint16,
    )
    assert half.tolist() == [0x7FFF]


@pytest.mark.parametrize("operation", ["min", "max"])
def test_least_and_greatest(emulator: Emulator, operation: str) -> None:
    pick = min if operation == "min" else max
    for name, fmt, values in (
        ("f32", SINGLE, SPECIAL_SINGLES),
        ("f16", HALF, [*HALVES, 0x7C00, 0xFC00, 0x7E00]),
        ("bf16", BFLOAT, [*BFLOATS, 0x7F80, 0xFF80, 0x7FC0]),
    ):
        dtype = np.uint32 if fmt.bits == 32 else np.uint16
        a, b = (g.ravel().copy() for g in np.meshgrid(*([np.array(values, dtype)] * 2)))
        got = evaluate(emulator, f"{operation}.{name} %d, %a0, %a1;", [a, b], dtype)
        strict = evaluate(emulator, f"{operation}.NaN.{name} %d, %a0, %a1;", [a, b], dtype)
        sign = 1 << (fmt.bits - 1)
        nan_result = 0x7FFFFFFF if fmt.bits == 32 else 0x7FFF
        for x, y, mine, with_nan in zip(
            a.tolist(), b.tolist(), got.tolist(), strict.tolist(), strict=True
        ):
            p, q = value_of(x, fmt), value_of(y, fmt)
            either_nan = p != p or q != q
            if p != p and q != q:
                expected = nan_result
            elif p != p:
                expected = y
            elif q != q:
                expected = x
            elif p == q == 0:
                expected = (x | y) & sign if operation == "min" else x & y & sign
            else:
                expected = x if pick(p, q) == p else y
            assert mine == expected, (operation, name, hex(x), hex(y))
            assert with_nan == (nan_result if either_nan else expected)


def test_sign_changes_keep_every_bit(emulator: Emulator) -> None:
    a = np.array(SPECIAL_SINGLES, np.uint32)
    b = a[::-1].copy()
    assert np.array_equal(
        evaluate(emulator, "neg.f32 %d, %a0;", [a], np.uint32), a ^ np.uint32(1 << 31)
    )
    assert np.array_equal(
        evaluate(emulator, "abs.f32 %d, %a0;", [a], np.uint32), a & np.uint32(0x7FFFFFFF)
    )
    copied = evaluate(emulator, "copysign.f32 %d, %a0, %a1;", [a, b], np.uint32)
    assert np.array_equal(copied, (b & np.uint32(0x7FFFFFFF)) | (a & np.uint32(1 << 31)))
    h = np.arange(0, 1 << 16, 7, dtype=np.uint16)
    assert np.array_equal(
        evaluate(emulator, "neg.f16 %d, %a0;", [h], np.uint16), h ^ np.uint16(0x8000)
    )
    assert np.array_equal(
        evaluate(emulator, "abs.f16 %d, %a0;", [h], np.uint16), h & np.uint16(0x7FFF)
    )
    flushed = evaluate(emulator, "abs.ftz.f32 %d, %a0;", [a], np.uint32)
    subnormal = (a & np.uint32(0x7F800000)) == 0
    assert np.array_equal(flushed, np.where(subnormal, 0, a & np.uint32(0x7FFFFFFF)))


APPROXIMATE: dict[str, tuple[Callable[[Any], Any], float, float, float]] = {
    # The function, the range tested, and the greatest relative error the ISA allows.
    "ex2.approx.f32": (np.exp2, -120.0, 120.0, 2.0**-22),
    "ex2.approx.ftz.f32": (np.exp2, -120.0, 120.0, 2.0**-22),
    "rcp.approx.f32": (lambda x: 1 / x, 1e-30, 1e30, 2.0**-23),
    "rcp.approx.ftz.f32": (lambda x: 1 / x, 1e-30, 1e30, 2.0**-23),
    "sqrt.approx.f32": (np.sqrt, 1e-30, 1e30, 2.0**-23),
    "sqrt.approx.ftz.f32": (np.sqrt, 1e-30, 1e30, 2.0**-23),
    "rsqrt.approx.f32": (lambda x: 1 / np.sqrt(x), 1e-30, 1e30, 2.0**-22.9),
    "rsqrt.approx.ftz.f32": (lambda x: 1 / np.sqrt(x), 1e-30, 1e30, 2.0**-22.9),
    "tanh.approx.f32": (np.tanh, -8.0, 8.0, 2.0**-11),
}


@pytest.mark.parametrize("instruction", APPROXIMATE)
def test_approximate_functions_within_the_error_of_the_isa(
    emulator: Emulator, instruction: str
) -> None:
    function, low, high, allowed = APPROXIMATE[instruction]
    if low > 0:
        x = np.exp(RNG.uniform(np.log(low), np.log(high), 4000)).astype(np.float32)
    else:
        x = RNG.uniform(low, high, 4000).astype(np.float32)
    got = evaluate(emulator, f"{instruction} %d, %a0;", [x], np.float32).astype(np.float64)
    exact = function(x.astype(np.float64))
    assert np.max(np.abs(got - exact) / np.abs(exact)) <= allowed


@pytest.mark.parametrize(
    ("instruction", "function", "low", "high", "allowed"),
    [
        ("sin.approx.f32", np.sin, -math.pi, math.pi, 2.0**-20.5),
        ("cos.approx.ftz.f32", np.cos, -math.pi, math.pi, 2.0**-20.5),
        ("lg2.approx.f32", np.log2, 0.5, 2.0, 2.0**-22),
        ("lg2.approx.ftz.f32", np.log2, 2.0, 1e30, 2.0**-17),
    ],
)
def test_approximate_functions_of_absolute_error(
    emulator: Emulator, instruction: str, function: Any, low: float, high: float, allowed: float
) -> None:
    x = RNG.uniform(low, high, 4000).astype(np.float32)
    got = evaluate(emulator, f"{instruction} %d, %a0;", [x], np.float32).astype(np.float64)
    exact = function(x.astype(np.float64))
    assert np.max(np.abs(got - exact)) <= max(allowed, 2.0**-23 * np.max(np.abs(exact)))


def test_approximate_functions_at_their_ends(emulator: Emulator) -> None:
    inf = np.float32(np.inf)
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 130.0, -200.0], np.float32)
    ex2 = evaluate(emulator, "ex2.approx.ftz.f32 %d, %a0;", [x], np.float32)
    assert ex2[:4].tolist() == [1.0, 1.0, inf, 0.0]
    assert np.isnan(ex2[4])
    assert ex2[5:].tolist() == [inf, 0.0]
    rcp = evaluate(emulator, "rcp.approx.ftz.f32 %d, %a0;", [x], np.float32)
    assert rcp[:4].tolist() == [inf, -inf, 0.0, 0.0]
    lg2 = evaluate(emulator, "lg2.approx.ftz.f32 %d, %a0;", [x], np.float32)
    assert lg2[:3].tolist() == [-inf, -inf, inf]
    assert np.isnan(lg2[3:5]).all()


def test_approximate_quotients(emulator: Emulator) -> None:
    a = RNG.standard_normal(4000).astype(np.float32)
    b = np.exp(RNG.uniform(-80, 80, 4000)).astype(np.float32)
    got = evaluate(emulator, "div.approx.ftz.f32 %d, %a0, %a1;", [a, b], np.float32)
    exact = a.astype(np.float64) / b.astype(np.float64)
    assert np.max(np.abs(got / exact - 1)) <= 2.0**-22
    huge = np.array([2.0**127], np.float32)
    zero = evaluate(
        emulator, "div.approx.f32 %d, %a0, %a1;", [np.ones(1, np.float32), huge], np.float32
    )
    assert zero.tolist() == [0.0]


FORMATS = {"f16": HALF, "bf16": BFLOAT, "f32": SINGLE, "f64": DOUBLE}
EDGES = {"f16": HALVES, "bf16": BFLOATS, "f32": SINGLES, "f64": [1, 1 << 62, 0]}


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("f32", "f16"), ("f32", "bf16"), ("f64", "f32"), ("f64", "f16"), ("f16", "f32"),
        ("bf16", "f32"), ("f32", "f64"),
        ("f16", "f64"), ("bf16", "f16"), ("f16", "bf16"),
    ],
)  # fmt: skip
def test_conversions_between_formats(emulator: Emulator, source: str, target: str) -> None:
    (a,) = patterns(FORMATS[source], 1, EDGES[source])
    dtype = {16: np.uint16, 32: np.uint32, 64: np.uint64}[FORMATS[target].bits]
    widens = FORMATS[target].fraction >= FORMATS[source].fraction and target in ("f32", "f64")
    for mode in ("rn",) if widens else ("rn", "rz", "rm", "rp"):
        suffix = "" if widens else f".{mode}"
        got = evaluate(emulator, f"cvt{suffix}.{target}.{source} %d, %a0;", [a], dtype)
        for bits, mine in zip(a.tolist(), got.tolist(), strict=True):
            x = value_of(bits, FORMATS[source])
            assert isinstance(x, Fraction)
            negative = bool(bits >> (FORMATS[source].bits - 1))
            expected = round_to(x, FORMATS[target], mode, negative_zero=negative)
            assert mine == expected, (source, target, mode, hex(bits))


@pytest.mark.parametrize("mode", ["rni", "rzi", "rmi", "rpi"])
@pytest.mark.parametrize("target", ["s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64"])
@pytest.mark.parametrize("source", ["f16", "f32", "f64"])
def test_reals_to_integers(emulator: Emulator, source: str, target: str, mode: str) -> None:
    fmt = FORMATS[source]
    (a,) = patterns(fmt, 1, EDGES[source])
    halves = [Fraction(n, 2) for n in range(-9, 10)]
    extra = np.array([round_to(h, fmt) for h in halves] + [fmt.top << fmt.fraction], a.dtype)
    a = np.concatenate([a, extra])
    dtype = np.dtype(target.replace("s", "int").replace("uint", "u").replace("u", "uint"))
    info = np.iinfo(dtype)
    got = evaluate(emulator, f"cvt.{mode}.{target}.{source} %d, %a0;", [a], dtype)
    for bits, mine in zip(a.tolist(), got.tolist(), strict=True):
        x = value_of(bits, fmt)
        if isinstance(x, Fraction):
            expected = min(max(round_integer(x, mode[:2]), int(info.min)), int(info.max))
        else:
            expected = int(info.max)
        assert mine == expected, (source, target, mode, hex(bits))


def test_nan_becomes_an_integer_as_the_isa_says(emulator: Emulator) -> None:
    nan = np.array([0x7FC00000], np.uint32)
    assert evaluate(emulator, "cvt.rzi.s32.f32 %d, %a0;", [nan], np.int32).tolist() == [0]
    assert evaluate(emulator, "cvt.rzi.u32.f32 %d, %a0;", [nan], np.uint32).tolist() == [0]
    wide = evaluate(emulator, "cvt.rzi.s64.f32 %d, %a0;", [nan], np.int64)
    assert wide.tolist() == [-(1 << 63)]


@pytest.mark.parametrize("mode", ["rn", "rz", "rm", "rp"])
@pytest.mark.parametrize("source", ["s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64"])
@pytest.mark.parametrize("target", ["f16", "f32", "f64"])
def test_integers_to_reals(emulator: Emulator, target: str, source: str, mode: str) -> None:
    dtype = np.dtype(source.replace("s", "int").replace("uint", "u").replace("u", "uint"))
    info = np.iinfo(dtype)
    a = RNG.integers(info.min, info.max, size=300, dtype=dtype, endpoint=True)
    a = np.concatenate([a, np.array([info.min, info.max, 0, 1, 33, 100], dtype)])
    bits = np.dtype({"f16": np.uint16, "f32": np.uint32, "f64": np.uint64}[target])
    got = evaluate(emulator, f"cvt.{mode}.{target}.{source} %d, %a0;", [a], bits)
    for x, mine in zip(a.tolist(), got.tolist(), strict=True):
        assert mine == round_to(Fraction(x), FORMATS[target], mode), (source, target, mode, x)


def test_packed_conversions(emulator: Emulator) -> None:
    a, b = patterns(SINGLE, 2, SINGLES)
    for name, fmt in (("f16x2", HALF), ("bf16x2", BFLOAT)):
        for mode in ("rn", "rz"):
            got = evaluate(emulator, f"cvt.{mode}.{name}.f32 %d, %a0, %a1;", [a, b], np.uint32)
            for x, y, mine in zip(a.tolist(), b.tolist(), got.tolist(), strict=True):
                expected = 0
                for value in (x, y):
                    exact = value_of(value, SINGLE)
                    assert isinstance(exact, Fraction)
                    half = round_to(exact, fmt, mode, negative_zero=bool(value >> 31))
                    expected = (expected << 16) | half
                assert mine == expected, (name, mode, hex(x), hex(y))


@pytest.mark.parametrize(
    ("name", "fmt"), [("e4m3", Format(bits=8, fraction=3)), ("e5m2", Format(bits=8, fraction=2))]
)
def test_bytes_become_halves(emulator: Emulator, name: str, fmt: Format) -> None:
    a = np.arange(1 << 16, dtype=np.uint32)[::17].astype(np.uint16)
    got = evaluate(emulator, f"cvt.rn.f16x2.{name}x2 %d, %a0;", [a], np.uint32)
    for both, mine in zip(a.tolist(), got.tolist(), strict=True):
        for shift in (0, 1):
            bits = (both >> (8 * shift)) & 0xFF
            half = value_of((mine >> (16 * shift)) & 0xFFFF, HALF)
            if name == "e4m3" and bits & 0x7F == 0x7F:
                assert half != half
            elif name == "e4m3" and bits & 0x78 == 0x78:
                # No infinity: the highest exponent holds numbers too.
                magnitude = Fraction(8 + (bits & 7), 8) * 256
                assert half == (-magnitude if bits & 0x80 else magnitude)
            else:
                expected = value_of(bits, fmt)
                assert half == expected or (half != half and expected != expected)


def test_rounding_to_integral_reals(emulator: Emulator) -> None:
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.7, -2.7, 1e10], np.float32)
    for mode, function in (
        ("rni", np.rint),
        ("rzi", np.trunc),
        ("rmi", np.floor),
        ("rpi", np.ceil),
    ):
        got = evaluate(emulator, f"cvt.{mode}.f32.f32 %d, %a0;", [x], np.float32)
        assert np.array_equal(got, function(x)), mode


REAL_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b and a == a and b == b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "equ": lambda a, b: a == b or a != a or b != b,
    "neu": lambda a, b: a != b or a != a or b != b,
    "ltu": lambda a, b: a < b or a != a or b != b,
    "leu": lambda a, b: a <= b or a != a or b != b,
    "gtu": lambda a, b: a > b or a != a or b != b,
    "geu": lambda a, b: a >= b or a != a or b != b,
    "num": lambda a, b: a == a and b == b,
    "nan": lambda a, b: a != a or b != b,
}


@pytest.mark.parametrize("comparison", REAL_COMPARISONS)
def test_real_comparisons(emulator: Emulator, comparison: str) -> None:
    meaning = REAL_COMPARISONS[comparison]
    for name, fmt, values in (
        ("f32", SINGLE, SPECIAL_SINGLES),
        ("f16", HALF, [*HALVES, 0x7C00, 0xFC00, 0x7E00]),
        ("bf16", BFLOAT, [*BFLOATS, 0x7F80, 0xFF80, 0x7FC0]),
    ):
        dtype = np.uint32 if fmt.bits == 32 else np.uint16
        a, b = (g.ravel().copy() for g in np.meshgrid(*([np.array(values, dtype)] * 2)))
        got = evaluate(
            emulator,
            f"setp.{comparison}.{name} %q, %a0, %a1; selp.u32 %d, 1, 0, %q;",
            [a, b],
            np.uint32,
        )
        for x, y, mine in zip(a.tolist(), b.tolist(), got.tolist(), strict=True):
            assert mine == meaning(value_of(x, fmt), value_of(y, fmt)), (comparison, name)


def test_set_gives_one_in_its_format(emulator: Emulator) -> None:
    a = np.array([0x3C00, 0x4000], np.uint16)
    b = np.array([0x3C00, 0x3C00], np.uint16)
    assert evaluate(emulator, "set.eq.f16.f16 %d, %a0, %a1;", [a, b], np.uint16).tolist() == [
        0x3C00,
        0,
    ]
    words = [a.view(np.uint32), b.view(np.uint32)]
    assert evaluate(emulator, "set.eq.f16x2.f16x2 %d, %a0, %a1;", words, np.uint32).tolist() == [
        0x3C00
    ]


def test_classes_of_numbers(emulator: Emulator) -> None:
    a = np.array(SPECIAL_SINGLES, np.uint32)
    x = a.view(np.float32)
    magnitude = a & np.uint32(0x7FFFFFFF)
    subnormal = (magnitude > 0) & (magnitude < 0x00800000)
    classes = {
        "finite": np.isfinite(x),
        "infinite": np.isinf(x),
        "number": ~np.isnan(x),
        "notanumber": np.isnan(x),
        "normal": np.isfinite(x) & (magnitude >= 0x00800000),
        "subnormal": subnormal,
    }
    for name, expected in classes.items():
        got = evaluate(
            emulator, f"testp.{name}.f32 %q, %a0; selp.u32 %d, 1, 0, %q;", [a], np.uint32
        )
        assert np.array_equal(got.astype(bool), expected), name
