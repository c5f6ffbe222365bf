"""wmma and Volta's mma: whole matrices through the warp, against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llamaproof.executor.finding_kind import FindingKind
from llamaproof.executor.machine import Emulator, Launched
from tests.support.executor.lanes import aligned, evaluate, run
from tests.support.executor.matrices import DTYPES, PADDING, RNG, SHAPES, loaded, matrices, stored


def registers(name: str, count: int) -> str:
    return "{" + ", ".join(f"%{name}{i}" for i in range(count)) + "}"


def into_shared(name: str, memory: Any) -> str:
    """PTX that copies a global array to the shared one of the same name, a word a lane."""
    words = memory.nbytes // 4
    return f"""
{{ .reg .b32 %w, %x, %s; .reg .b64 %q; .reg .pred %more;
mov.u32 %w, %laneid;
next: setp.ge.u32 %more, %w, {words}; @%more bra end;
mad.wide.u32 %q, %w, 4, %{name}; ld.global.u32 %x, [%q];
mov.u32 %s, {name}; mad.lo.u32 %s, %w, 4, %s; st.shared.u32 [%s], %x;
add.u32 %w, %w, 32; bra next; end: }}
"""


def multiply(
    emulator: Emulator,
    shape: str,
    a: Any,
    b: Any,
    c: Any,
    *,
    layouts: tuple[str, str, str] = ("row", "col", "row"),
    result: str,
    space: str = "global",
    product_layouts: tuple[str, str] | None = None,
) -> tuple[Any, Launched]:
    """d = a * b + c through load, mma and store, and what the launch did."""
    accumulator = "f16" if c.dtype == np.float16 else "f32"
    memory = [stored(m, layout) for m, layout in zip((a, b, c), layouts, strict=True)]
    d = stored(np.zeros(c.shape, DTYPES[result]), layouts[2])
    strides = [m.shape[1] for m in memory]
    count_c, count_d = (4 if kind == "f16" else 8 for kind in (accumulator, result))
    suffix = {"global": ".global", "shared": ".shared", "generic": ""}[space]
    prepare, address = "", {name: f"%{name}" for name in "abc"}
    if space == "shared":
        address = {name: f"%s{name}" for name in "abc"}
    if space != "global":
        prepare = "".join(into_shared(n, m) for n, m in zip("abc", memory, strict=True))
        prepare += "".join(f"mov.u32 %s{name}, {name};" for name in "abc") + "bar.sync 0;"
    if space == "generic":
        prepare += "".join(f"cvt.u64.u32 %{n}, %s{n}; cvta.shared.u64 %{n}, %{n};" for n in "abc")
    shared = " ".join(
        f".shared .align 32 .b8 {n}[{m.nbytes}];" for n, m in zip("abc", memory, strict=True)
    )
    la, lb = product_layouts or layouts[:2]
    text = f"""
.entry k({", ".join(f".param .u64 p{n}" for n in "abcd")})
{{
{shared}
.reg .b64 %a, %b, %c, %d; .reg .b32 %sa, %sb, %sc, %x<8>, %y<8>, %z<8>, %o<8>;
{" ".join(f"ld.param.u64 %{n}, [p{n}];" for n in "abcd")}
{prepare}
wmma.load.a.sync.aligned.{layouts[0]}.{shape}{suffix}.f16 {registers("x", 8)},
  [{address["a"]}], {strides[0]};
wmma.load.b.sync.aligned.{layouts[1]}.{shape}{suffix}.f16 {registers("y", 8)},
  [{address["b"]}], {strides[1]};
wmma.load.c.sync.aligned.{layouts[2]}.{shape}{suffix}.{accumulator} {registers("z", count_c)},
  [{address["c"]}], {strides[2]};
wmma.mma.sync.aligned.{la}.{lb}.{shape}.{result}.{accumulator} {registers("o", count_d)},
  {registers("x", 8)}, {registers("y", 8)}, {registers("z", count_c)};
wmma.store.d.sync.aligned.{layouts[2]}.{shape}.global.{result} [%d], {registers("o", count_d)},
  {strides[2]};
ret;
}}
"""
    launched = run(emulator, text, [*memory, d])
    assert np.isnan(d[:, d.shape[1] - PADDING :]).all(), "the store wrote between the lines"
    return loaded(d, layouts[2]), launched


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("a_layout", ["row", "col"])
@pytest.mark.parametrize("b_layout", ["row", "col"])
@pytest.mark.parametrize(("accumulator", "result"), [("f16", "f16"), ("f32", "f32")])
def test_wmma_of_every_shape_and_layout(
    emulator: Emulator, shape: str, a_layout: str, b_layout: str, accumulator: str, result: str
) -> None:
    for integers, c_layout in ((True, "row"), (True, "col"), (False, "row")):
        a, b, c = matrices(shape, accumulator, integers=integers)
        exact = a.astype(np.float64) @ b.astype(np.float64) + c
        layouts = (a_layout, b_layout, c_layout)
        got, launched = multiply(emulator, shape, a, b, c, layouts=layouts, result=result)
        assert launched.findings == ()
        # One rounding to the accumulator's format, after sums in f32.
        allowed = 0.0 if integers else 2.0**-10 if result == "f16" else 2.0**-20
        assert np.max(np.abs(got - exact)) <= allowed * np.max(np.abs(exact))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("accumulator", "result"), [("f16", "f32"), ("f32", "f16")])
def test_wmma_with_two_kinds_of_accumulator(
    emulator: Emulator, shape: str, accumulator: str, result: str
) -> None:
    a, b, c = matrices(shape, accumulator, integers=True)
    got, launched = multiply(emulator, shape, a, b, c, result=result)
    assert launched.findings == ()
    assert np.array_equal(got, a.astype(np.float64) @ b.astype(np.float64) + c)


@pytest.mark.parametrize("space", ["shared", "generic"])
@pytest.mark.parametrize("shape", SHAPES)
def test_wmma_loads_from_shared_memory(emulator: Emulator, shape: str, space: str) -> None:
    a, b, c = matrices(shape, "f32", integers=True)
    got, launched = multiply(emulator, shape, a, b, c, result="f32", space=space)
    assert launched.findings == ()
    assert np.array_equal(got, a.astype(np.float64) @ b.astype(np.float64) + c)


def test_wmma_counts_its_work_and_what_is_idle(emulator: Emulator) -> None:
    a, b, c = matrices("m8n32k16", "f32", integers=True)
    a[:], b[:] = 1, 1
    a[5:] = 0
    b[:, 20:] = -0.0
    _, launched = multiply(emulator, "m8n32k16", a, b, c, result="f32")
    counts = launched.counts
    assert (counts.mma_ops, counts.mma_macs) == (1, 8 * 32 * 16)
    assert (counts.mma_rows, counts.mma_rows_used) == (8, 5)
    assert (counts.mma_columns, counts.mma_columns_used) == (32, 20)
    assert counts.mma_macs_used == 5 * 20 * 16
    assert counts.global_bytes_read == a.nbytes + b.nbytes + c.nbytes
    assert counts.global_bytes_written == c.nbytes


def test_a_product_that_names_another_layout_than_the_load_is_wrong(emulator: Emulator) -> None:
    a, b, c = matrices("m16n16k16", "f32", integers=True)
    exact = a.astype(np.float64) @ b.astype(np.float64) + c
    got, _ = multiply(emulator, "m16n16k16", a, b, c, result="f32", product_layouts=("row", "row"))
    assert not np.array_equal(got, exact)


LOAD = """
.entry k(.param .u64 in, .param .u64 out)
{{
.reg .b64 %p, %o; .reg .b32 %x<8>, %l, %s; .reg .pred %q;
ld.param.u64 %p, [in]; ld.param.u64 %o, [out]; mov.u32 %l, %laneid; mov.u32 %s, 16;
{code}
wmma.load.a.sync.aligned.row.m16n16k16.global.f16 {{%x0, %x1, %x2, %x3, %x4, %x5, %x6, %x7}},
  [%p], %s;
end: st.global.u32 [%o], %x0;
ret;
}}
"""


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("add.u64 %p, %p, 16;", FindingKind.MISALIGNED, "multiple of 32"),
        ("mov.u32 %s, 20;", FindingKind.MISALIGNED, "40 bytes apart"),
        ("mov.u32 %s, 24;", FindingKind.OUT_OF_BOUNDS, "past the end"),
        (
            "setp.eq.u32 %q, %l, 7; @%q mov.u32 %s, 32;",
            FindingKind.MISSING_LANE,
            "lane 7 gives another stride",
        ),
        (
            "setp.eq.u32 %q, %l, 9; @%q add.u64 %p, %p, 32;",
            FindingKind.MISSING_LANE,
            "lane 9 gives another address",
        ),
        (
            "mov.u32 %x0, 0; setp.eq.u32 %q, %l, 3; @%q bra end;",
            FindingKind.MISSING_LANE,
            "needs the whole warp",
        ),
    ],
)
def test_a_bad_wmma_load_is_found(
    emulator: Emulator, code: str, kind: FindingKind, words: str
) -> None:
    source = aligned(np.zeros((16, 16), np.float16))
    launched = run(emulator, LOAD.format(code=code), [source, np.zeros(32, np.uint32)])
    found = [f for f in launched.findings if f.kind == kind]
    assert found, launched.findings
    assert words in found[0].detail


def test_a_wmma_load_of_what_nothing_wrote_is_found(emulator: Emulator) -> None:
    source = aligned(np.zeros((16, 16), np.float16))
    arrays = [source, np.zeros(32, np.uint32)]
    launched = run(emulator, LOAD.format(code=""), arrays, written=[False, True])
    assert [f.kind for f in launched.findings] == [FindingKind.UNINITIALISED_READ]


def quad_position(matrix: str, layout: str, lane: int, i: int) -> tuple[int, int]:
    """Row and column of element i of a lane, as the ISA's formulas have it."""
    upper = 0 if lane < 16 else 4
    if matrix == "a":
        return (lane % 4 + upper, i) if layout == "row" else (i + upper, lane % 4)
    if matrix == "b":
        return (lane % 4, i + upper) if layout == "row" else (i, lane % 4 + upper)
    if layout == "f16":
        return lane % 4 + upper, i
    return (lane & 1) + (i & 2) + upper, (i & 4) + (lane & 2) + (i & 1)


def quad_fragment(matrix: str, layout: str, quads: Any) -> list[Any]:
    """The registers of a fragment that holds four matrices, one for each quad pair."""
    elements = 4 if matrix in "ab" else 8
    lanes = np.zeros((32, elements), quads.dtype)
    for lane in range(32):
        for i in range(elements):
            lanes[lane, i] = quads[lane // 4 % 4][quad_position(matrix, layout, lane, i)]
    words = lanes.view(np.uint32)
    return [np.ascontiguousarray(words[:, r]) for r in range(words.shape[1])]


# ---- mma.m8n8k4: "Matrix Fragments for mma.m8n8k4 with .f16 floating point type" of the PTX ISA.


@pytest.mark.parametrize("a_layout", ["row", "col"])
@pytest.mark.parametrize("b_layout", ["row", "col"])
@pytest.mark.parametrize(
    ("accumulator", "result"), [("f16", "f16"), ("f32", "f32"), ("f16", "f32")]
)
def test_mma_of_four_quad_pairs(
    emulator: Emulator, a_layout: str, b_layout: str, accumulator: str, result: str
) -> None:
    a = RNG.integers(-16, 17, size=(4, 8, 4)).astype(np.float16)
    b = RNG.integers(-16, 17, size=(4, 4, 8)).astype(np.float16)
    c = RNG.integers(-16, 17, size=(4, 8, 8)).astype(DTYPES[accumulator])
    fragments = [
        quad_fragment("a", a_layout, a),
        quad_fragment("b", b_layout, b),
        quad_fragment("c", accumulator, c),
    ]
    sources = [register for fragment in fragments for register in fragment]
    names = iter(f"%a{i}" for i in range(len(sources)))
    operands = ", ".join("{" + ", ".join(next(names) for _ in f) + "}" for f in fragments)
    d = (a.astype(np.float64) @ b.astype(np.float64) + c).astype(DTYPES[result])
    expected = quad_fragment("d", result, d)
    form = f"mma.sync.aligned.m8n8k4.{a_layout}.{b_layout}.{result}.f16.f16.{accumulator}"
    for index, register in enumerate(expected):
        outputs = ", ".join("%d" if i == index else "_" for i in range(len(expected)))
        code = f"{form} {{{outputs}}}, {operands};"
        got = evaluate(emulator, code, sources, np.uint32, threads=32)
        assert np.array_equal(got, register), (form, index)


def test_mma_of_four_quad_pairs_counts_its_work(emulator: Emulator) -> None:
    text = """
.entry k(.param .u64 out)
{
.reg .b32 %l, %b; .reg .f32 %f<8>; .reg .pred %q; .reg .b64 %p; .reg .b32 %one;
mov.u32 %l, %laneid; setp.lt.u32 %q, %l, 4; mov.b32 %one, 0x3c003c00;
selp.b32 %b, 0x3c003c00, 0, %q;
mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%f0, %f1, %f2, %f3, %f4, %f5, %f6, %f7},
  {%one, %one}, {%b, %b}, {0f00000000, 0f00000000, 0f00000000, 0f00000000,
  0f00000000, 0f00000000, 0f00000000, 0f00000000};
ld.param.u64 %p, [out]; st.global.f32 [%p], %f0;
ret;
}
"""
    counts = run(emulator, text, [np.zeros(32, np.float32)]).counts
    assert (counts.mma_ops, counts.mma_macs) == (1, 4 * 8 * 8 * 4)
    # Lanes 0 to 3 hold columns 0 to 3 of the first product's b.
    assert (counts.mma_columns, counts.mma_columns_used) == (32, 4)
    assert (counts.mma_rows, counts.mma_rows_used) == (32, 32)
    assert counts.mma_macs_used == 8 * 4 * 4
