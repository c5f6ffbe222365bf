"""Integer instructions against Python's unbounded integers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from llamaproof.executor.machine import Emulator
from tests.support.executor.lanes import evaluate

RNG = np.random.default_rng(20261123)


def edge_values(dtype: Any, count: int) -> list[np.ndarray[Any, Any]]:
    """All combinations of edge values for `count` operands, and as many random ones."""
    info = np.iinfo(dtype)
    edges = [info.min, info.max, 0, 1, 2, 7, info.max // 2, info.min // 2 if info.min else 3]
    if info.min:
        edges += [-1, -2]
    table = np.array(list(itertools.product(edges, repeat=count)), dtype=dtype)
    random = RNG.integers(info.min, info.max, size=(200, count), dtype=dtype, endpoint=True)
    both = np.concatenate([table, random])
    return [np.ascontiguousarray(both[:, i]) for i in range(count)]


def check(
    emulator: Emulator,
    code: str,
    sources: list[Any],
    result: Any,
    meaning: Callable[..., int],
) -> None:
    got = evaluate(emulator, code, sources, result)
    width = 8 * np.dtype(result).itemsize
    for index, operands in enumerate(zip(*(s.tolist() for s in sources), strict=True)):
        expected = meaning(*operands) & ((1 << width) - 1)
        assert int(got[index]) & ((1 << width) - 1) == expected, (code, operands)


def truncated_quotient(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


TYPES: dict[str, Any] = {
    "u16": np.uint16,
    "s16": np.int16,
    "u32": np.uint32,
    "s32": np.int32,
    "u64": np.uint64,
    "s64": np.int64,
}
BINARY: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul.lo": lambda a, b: a * b,
    "min": min,
    "max": max,
    "div": lambda a, b: truncated_quotient(a, b) if b else 0,
    "rem": lambda a, b: a - b * truncated_quotient(a, b) if b else 0,
}


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("operation", BINARY)
def test_arithmetic_of_every_type(emulator: Emulator, operation: str, name: str) -> None:
    a, b = edge_values(TYPES[name], 2)
    if operation in ("div", "rem"):
        b[b == 0] = 3
    check(emulator, f"{operation}.{name} %d, %a0, %a1;", [a, b], TYPES[name], BINARY[operation])


@pytest.mark.parametrize("name", TYPES)
def test_high_halves_of_products(emulator: Emulator, name: str) -> None:
    dtype = TYPES[name]
    width = 8 * np.dtype(dtype).itemsize
    a, b = edge_values(dtype, 2)
    c = a[::-1].copy()
    check(emulator, f"mul.hi.{name} %d, %a0, %a1;", [a, b], dtype, lambda x, y: (x * y) >> width)
    check(
        emulator,
        f"mad.hi.{name} %d, %a0, %a1, %a2;",
        [a, b, c],
        dtype,
        lambda x, y, z: ((x * y) >> width) + z,
    )
    check(
        emulator,
        f"mad.lo.{name} %d, %a0, %a1, %a2;",
        [a, b, c],
        dtype,
        lambda x, y, z: x * y + z,
    )
    check(
        emulator,
        f"sad.{name} %d, %a0, %a1, %a2;",
        [a, b, c],
        dtype,
        lambda x, y, z: z + abs(x - y),
    )


@pytest.mark.parametrize(
    ("name", "wide"),
    [("u16", np.uint32), ("s16", np.int32), ("u32", np.uint64), ("s32", np.int64)],
)
def test_wide_products(emulator: Emulator, name: str, wide: Any) -> None:
    a, b = edge_values(TYPES[name], 2)
    c = RNG.integers(0, 1 << 15, size=len(a)).astype(wide)
    check(emulator, f"mul.wide.{name} %d, %a0, %a1;", [a, b], wide, lambda x, y: x * y)
    check(
        emulator,
        f"mad.wide.{name} %d, %a0, %a1, %a2;",
        [a, b, c],
        wide,
        lambda x, y, z: x * y + z,
    )


@pytest.mark.parametrize("name", ["s16", "s32", "s64"])
def test_signs(emulator: Emulator, name: str) -> None:
    (a,) = edge_values(TYPES[name], 1)
    check(emulator, f"neg.{name} %d, %a0;", [a], TYPES[name], lambda x: -x)
    check(emulator, f"abs.{name} %d, %a0;", [a], TYPES[name], abs)


def test_saturating_sums(emulator: Emulator) -> None:
    a, b = edge_values(np.int32, 2)

    def clamp(v: int) -> int:
        return min(max(v, -(1 << 31)), (1 << 31) - 1)

    check(emulator, "add.sat.s32 %d, %a0, %a1;", [a, b], np.int32, lambda x, y: clamp(x + y))
    check(emulator, "sub.sat.s32 %d, %a0, %a1;", [a, b], np.int32, lambda x, y: clamp(x - y))


def test_carry_runs_from_word_to_word(emulator: Emulator) -> None:
    a, b = edge_values(np.uint64, 2)
    split = (
        ".reg .b32 %al, %ah, %bl, %bh, %dl, %dh;mov.b64 {%al, %ah}, %a0; mov.b64 {%bl, %bh}, %a1;"
    )
    join = "mov.b64 %d, {%dl, %dh};"
    check(
        emulator,
        f"{split} add.cc.u32 %dl, %al, %bl; addc.u32 %dh, %ah, %bh; {join}",
        [a, b],
        np.uint64,
        lambda x, y: x + y,
    )
    check(
        emulator,
        f"{split} sub.cc.u32 %dl, %al, %bl; subc.u32 %dh, %ah, %bh; {join}",
        [a, b],
        np.uint64,
        lambda x, y: x - y,
    )
    check(
        emulator,
        f"{split} mad.lo.cc.u32 %dl, %al, %bl, %ah; madc.hi.u32 %dh, %al, %bl, 0; {join}",
        [a, b],
        np.uint64,
        lambda x, y: (x & 0xFFFFFFFF) * (y & 0xFFFFFFFF) + (x >> 32),
    )


@pytest.mark.parametrize(("bits", "dtype"), [(16, np.uint16), (32, np.uint32), (64, np.uint64)])
def test_logic_and_shifts(emulator: Emulator, bits: int, dtype: Any) -> None:
    a, b = edge_values(dtype, 2)
    check(emulator, f"and.b{bits} %d, %a0, %a1;", [a, b], dtype, lambda x, y: x & y)
    check(emulator, f"or.b{bits} %d, %a0, %a1;", [a, b], dtype, lambda x, y: x | y)
    check(emulator, f"xor.b{bits} %d, %a0, %a1;", [a, b], dtype, lambda x, y: x ^ y)
    check(emulator, f"not.b{bits} %d, %a0;", [a], dtype, lambda x: ~x)
    check(emulator, f"cnot.b{bits} %d, %a0;", [a], dtype, lambda x: int(x == 0))
    amounts = np.resize(
        np.array([0, 1, 5, 15, 16, 31, 32, 63, 64, 200, 1 << 31], np.uint32), len(a)
    )
    check(
        emulator,
        f"shl.b{bits} %d, %a0, %a1;",
        [a, amounts],
        dtype,
        lambda x, n: x << min(n, bits),
    )
    check(
        emulator,
        f"shr.u{bits} %d, %a0, %a1;",
        [a, amounts],
        dtype,
        lambda x, n: x >> min(n, bits),
    )
    signed = {16: np.int16, 32: np.int32, 64: np.int64}[bits]
    check(
        emulator,
        f"shr.s{bits} %d, %a0, %a1;",
        [a.view(signed), amounts],
        signed,
        lambda x, n: x >> min(n, bits),
    )


def test_funnel_shifts(emulator: Emulator) -> None:
    a, b = edge_values(np.uint32, 2)
    n = np.resize(np.array([0, 1, 5, 31, 32, 33, 63, 64], np.uint32), len(a))

    def joined(x: int, y: int) -> int:
        return (y << 32) | x

    for mode, amount in (("wrap", lambda c: c & 31), ("clamp", lambda c: min(c, 32))):
        check(
            emulator,
            f"shf.l.{mode}.b32 %d, %a0, %a1, %a2;",
            [a, b, n],
            np.uint32,
            lambda x, y, c, f=amount: (joined(x, y) << f(c)) >> 32,
        )
        check(
            emulator,
            f"shf.r.{mode}.b32 %d, %a0, %a1, %a2;",
            [a, b, n],
            np.uint32,
            lambda x, y, c, f=amount: joined(x, y) >> f(c),
        )


@pytest.mark.parametrize("table", [0x80, 0xFE, 0x96, 0xCA, 0x01, 0xFF, 0x00, 0x2D])
def test_lop3_reads_its_truth_table(emulator: Emulator, table: int) -> None:
    a, b, c = (RNG.integers(0, 1 << 32, size=300, dtype=np.uint32) for _ in range(3))

    def meaning(x: int, y: int, z: int) -> int:
        return sum(
            ((table >> (4 * ((x >> i) & 1) + 2 * ((y >> i) & 1) + ((z >> i) & 1))) & 1) << i
            for i in range(32)
        )

    check(emulator, f"lop3.b32 %d, %a0, %a1, %a2, {table};", [a, b, c], np.uint32, meaning)


def test_prmt_picks_bytes(emulator: Emulator) -> None:
    a, b = (RNG.integers(0, 1 << 32, size=400, dtype=np.uint32) for _ in range(2))
    selectors = RNG.integers(0, 1 << 16, size=400, dtype=np.uint32)

    def meaning(x: int, y: int, s: int) -> int:
        source = x.to_bytes(4, "little") + y.to_bytes(4, "little")
        out = []
        for i in range(4):
            nibble = (s >> (4 * i)) & 15
            byte = source[nibble & 7]
            out.append((0xFF if byte & 0x80 else 0) if nibble & 8 else byte)
        return int.from_bytes(bytes(out), "little")

    check(emulator, "prmt.b32 %d, %a0, %a1, %a2;", [a, b, selectors], np.uint32, meaning)


PRMT_MODES = {
    "f4e": (0x3210, 0x4321, 0x5432, 0x6543),
    "b4e": (0x5670, 0x6701, 0x7012, 0x0123),
    "rc8": (0x0000, 0x1111, 0x2222, 0x3333),
    "ecl": (0x3210, 0x3211, 0x3222, 0x3333),
    "ecr": (0x0000, 0x1110, 0x2210, 0x3210),
    "rc16": (0x1010, 0x3232, 0x1010, 0x3232),
}


@pytest.mark.parametrize("mode", PRMT_MODES)
def test_prmt_modes(emulator: Emulator, mode: str) -> None:
    a, b = (RNG.integers(0, 1 << 32, size=64, dtype=np.uint32) for _ in range(2))
    c = np.resize(np.arange(4, dtype=np.uint32), 64)

    def meaning(x: int, y: int, s: int) -> int:
        source = x.to_bytes(4, "little") + y.to_bytes(4, "little")
        selector = PRMT_MODES[mode][s]
        return int.from_bytes(bytes(source[(selector >> (4 * i)) & 7] for i in range(4)), "little")

    check(emulator, f"prmt.b32.{mode} %d, %a0, %a1, %a2;", [a, b, c], np.uint32, meaning)


@pytest.mark.parametrize("bits", [32, 64])
def test_bit_counting(emulator: Emulator, bits: int) -> None:
    dtype, signed = (np.uint32, np.int32) if bits == 32 else (np.uint64, np.int64)
    (a,) = edge_values(dtype, 1)
    check(emulator, f"popc.b{bits} %d, %a0;", [a], np.uint32, lambda x: bin(x).count("1"))
    check(emulator, f"clz.b{bits} %d, %a0;", [a], np.uint32, lambda x: bits - x.bit_length())
    check(
        emulator,
        f"brev.b{bits} %d, %a0;",
        [a],
        dtype,
        lambda x: int(f"{x:0{bits}b}"[::-1], 2),
    )

    def highest(x: int) -> int:
        value = ~x if x < 0 else x
        return value.bit_length() - 1

    check(emulator, f"bfind.u{bits} %d, %a0;", [a], np.uint32, highest)
    check(emulator, f"bfind.s{bits} %d, %a0;", [a.view(signed)], np.uint32, highest)
    check(
        emulator,
        f"bfind.shiftamt.u{bits} %d, %a0;",
        [a],
        np.uint32,
        lambda x: -1 if x == 0 else bits - 1 - highest(x),
    )


@pytest.mark.parametrize("bits", [32, 64])
def test_bit_fields(emulator: Emulator, bits: int) -> None:
    dtype, signed = (np.uint32, np.int32) if bits == 32 else (np.uint64, np.int64)
    positions = np.array([0, 1, 7, 15, 31, 32, 40, 63, 64, 255], np.uint32)
    lengths = np.array([0, 1, 8, 16, 31, 32, 33, 63, 64, 255], np.uint32)
    where, length = (g.ravel().copy() for g in np.meshgrid(positions, lengths))
    a = RNG.integers(0, 1 << bits, size=len(where), dtype=dtype)
    b = RNG.integers(0, 1 << bits, size=len(where), dtype=dtype)

    def extract(is_signed: bool) -> Callable[[int, int, int], int]:
        def meaning(x: int, p: int, n: int) -> int:
            # The ISA's own loop: bit i is bit p + i of the source, or the sign beyond it.
            x &= (1 << bits) - 1
            sign = 0
            if is_signed and n:
                sign = (x >> min(p + n - 1, bits - 1)) & 1
            out = 0
            for i in range(bits):
                bit = (x >> (p + i)) & 1 if i < n and p + i <= bits - 1 else sign
                out |= bit << i
            return out

        return meaning

    check(emulator, f"bfe.u{bits} %d, %a0, %a1, %a2;", [a, where, length], dtype, extract(False))
    check(
        emulator,
        f"bfe.s{bits} %d, %a0, %a1, %a2;",
        [a.view(signed), where, length],
        signed,
        extract(True),
    )

    def insert(x: int, y: int, p: int, n: int) -> int:
        for i in range(n):
            if p + i > bits - 1:
                break
            y = y & ~(1 << (p + i)) | (((x >> i) & 1) << (p + i))
        return y

    check(
        emulator,
        f"bfi.b{bits} %d, %a0, %a1, %a2, %a3;",
        [a, b, where, length],
        dtype,
        insert,
    )


def test_masks_of_bits(emulator: Emulator) -> None:
    where = np.array([0, 1, 5, 16, 31, 32, 40, 2**31], np.uint32).repeat(8)
    length = np.tile(np.array([0, 1, 4, 16, 31, 32, 33, 2**32 - 1], np.uint32), 8)
    ones = [where, length]

    def clamped(position: int, width: int) -> int:
        return ((1 << min(width, 32)) - 1) << position if position < 32 else 0

    def wrapped(position: int, width: int) -> int:
        return ((1 << (width % 32)) - 1) << (position % 32)

    check(emulator, "bmsk.clamp.b32 %d, %a0, %a1;", ones, np.uint32, clamped)
    check(emulator, "bmsk.wrap.b32 %d, %a0, %a1;", ones, np.uint32, wrapped)


@pytest.mark.parametrize("first", ["s32", "u32"])
@pytest.mark.parametrize("second", ["s32", "u32"])
def test_dot_products_of_bytes(emulator: Emulator, first: str, second: str) -> None:
    a, b, c = (RNG.integers(0, 1 << 32, size=200, dtype=np.uint32) for _ in range(3))

    def parts(x: int, size: int, is_signed: bool) -> list[int]:
        return [
            int.from_bytes(x.to_bytes(4, "little")[i : i + size], "little", signed=is_signed)
            for i in range(0, 4, size)
        ]

    def four(x: int, y: int, z: int) -> int:
        pairs = zip(parts(x, 1, first == "s32"), parts(y, 1, second == "s32"), strict=True)
        return z + sum(p * q for p, q in pairs)

    check(emulator, f"dp4a.{first}.{second} %d, %a0, %a1, %a2;", [a, b, c], np.uint32, four)
    for half, begin in (("lo", 0), ("hi", 2)):

        def two(x: int, y: int, z: int, begin: int = begin) -> int:
            pairs = zip(
                parts(x, 2, first == "s32"),
                parts(y, 1, second == "s32")[begin : begin + 2],
                strict=True,
            )
            return z + sum(p * q for p, q in pairs)

        check(
            emulator, f"dp2a.{half}.{first}.{second} %d, %a0, %a1, %a2;", [a, b, c], np.uint32, two
        )


COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_comparisons(emulator: Emulator, comparison: str, name: str) -> None:
    a, b = edge_values(TYPES[name], 2)
    meaning = COMPARISONS[comparison]
    check(
        emulator,
        f"setp.{comparison}.{name} %q, %a0, %a1; selp.u32 %d, 11, 22, %q;",
        [a, b],
        np.uint32,
        lambda x, y: 11 if meaning(x, y) else 22,
    )
    check(
        emulator,
        f"set.{comparison}.u32.{name} %d, %a0, %a1;",
        [a, b],
        np.uint32,
        lambda x, y: 0xFFFFFFFF if meaning(x, y) else 0,
    )


def test_setp_gives_the_complement_and_combines(emulator: Emulator) -> None:
    a, b = edge_values(np.int32, 2)
    for combine, meaning in (
        ("and", lambda p, c: p and c),
        ("or", lambda p, c: p or c),
        ("xor", lambda p, c: p != c),
    ):
        code = (
            f".reg .pred %c; setp.gt.s32 %c, %a1, 5;"
            f"setp.lt.{combine}.s32 %q|%q2, %a0, %a1, !%c;"
            ".reg .b32 %x, %y; selp.u32 %x, 1, 0, %q; selp.u32 %y, 2, 0, %q2; or.b32 %d, %x, %y;"
        )
        check(
            emulator,
            code,
            [a, b],
            np.uint32,
            lambda x, y, m=meaning: int(m(x < y, not y > 5)) + 2 * int(m(not x < y, not y > 5)),
        )


def test_selection_by_sign(emulator: Emulator) -> None:
    a, b = edge_values(np.int32, 2)
    c = a[::-1].copy()
    check(
        emulator,
        "slct.s32.s32 %d, %a0, %a1, %a2;",
        [a, b, c],
        np.int32,
        lambda x, y, z: x if z >= 0 else y,
    )


def test_packing_and_unpacking(emulator: Emulator) -> None:
    a, b = edge_values(np.uint32, 2)
    check(
        emulator,
        ".reg .b16 %l, %h; mov.b32 {%l, %h}, %a0; mov.b32 %d, {%h, %l};",
        [a],
        np.uint32,
        lambda x: (x >> 16) | ((x & 0xFFFF) << 16),
    )
    check(emulator, "mov.b64 %d, {%a0, %a1};", [a, b], np.uint64, lambda x, y: x | (y << 32))
    check(
        emulator,
        ".reg .b32 %h; mov.b64 {_, %d}, %a0;",
        [a.astype(np.uint64) * 12345678901],
        np.uint32,
        lambda x: x >> 32,
    )


INTEGERS: dict[str, Any] = {**TYPES, "u8": np.uint8, "s8": np.int8}


@pytest.mark.parametrize("source", INTEGERS)
@pytest.mark.parametrize("target", INTEGERS)
def test_integer_conversions(emulator: Emulator, target: str, source: str) -> None:
    (a,) = edge_values(INTEGERS[source], 1)
    info = np.iinfo(INTEGERS[target])
    low, high = int(info.min), int(info.max)
    dtype = INTEGERS[target]

    def clamp(x: int) -> int:
        return min(max(x, low), high)

    check(emulator, f"cvt.{target}.{source} %d, %a0;", [a], dtype, lambda x: x)
    check(
        emulator,
        f"cvt.sat.{target}.{source} %d, %a0;",
        [a],
        dtype,
        clamp,
    )


@pytest.mark.parametrize("target", ["u8", "s8", "u16", "s16"])
def test_a_narrow_result_fills_a_wider_register(emulator: Emulator, target: str) -> None:
    (a,) = edge_values(np.int32, 1)
    width: int = 8 * np.dtype(INTEGERS[target]).itemsize

    def meaning(x: int) -> int:
        low = x & ((1 << width) - 1)
        negative = target[0] == "s" and low >> (width - 1)
        return low - (1 << width) if negative else low

    check(emulator, f"cvt.{target}.s32 %d, %a0;", [a], np.uint32, meaning)
