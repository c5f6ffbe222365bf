"""Bad PTX gets an error that names the line; nothing in it makes the emulator crash."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llamaproof.executor.finding_kind import FindingKind
from llamaproof.executor.machine import EmulationError, Emulator
from tests.support.executor.kernels import MATRIX_KERNEL, kernel
from tests.support.executor.lanes import HEADER, run


def refusal(emulator: Emulator, text: str) -> str:
    with pytest.raises(EmulationError) as caught:
        module = emulator.load(text)
        for name in emulator.kernels(module):
            emulator.kernel(module, name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("frobnicate.u32 %r0, %r1;", "'frobnicate.u32'"),
        ("add.rn.u32 %r0, %r1, %r2;", "'add.rn.u32'"),
        ("add.u32.wide %r0, %r1, %r2;", ".wide"),
        ("add.u32 %r0, %r1;", "operands"),
        ("add.u32 %r0, %r1, %i;", "64 bits wide"),
        ("mul.u32 %r0, %r1, %r2;", ".lo, .hi or .wide"),
        ("cvt.f16.f32 %h0, %r0;", "rounding mode"),
        ("mma.sync.aligned.m16n8k8.col.row.f32.f16.f16.f32 %r0, %r1, %r2, %r3;", "row.col"),
        ("mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 %r0, %r1, %r2, %r3;", "registers"),
        ("mma.sync.aligned.m8n8k8.row.col.f32.f16.f16.f32 %r0, %r1, %r2, %r3;", "shape"),
        ("wmma.load.a.sync.aligned.row.m16n16k8.tf32 {%r0}, [%i], 16;", "shape"),
        ("wmma.load.a.sync.aligned.row.m16n16k16.f16 {%r0, %r1}, [%i], 16;", "registers"),
        ("wmma.load.a.sync.aligned.m16n16k16.f16 {%r0, %r1}, [%i], 16;", "layout"),
        ("ld.global.u32 %r0, [nowhere];", "nowhere"),
        ("mov.u32 %r0, %frequency;", "%frequency"),
        ("bra nowhere;", "nowhere"),
        ("call (%r0), mystery, (%r1);", "mystery"),
        ("shfl.bfly.b32 %r0, %r1, 1, 31;", ".sync"),
        ("cp.async.bulk.shared.global [%r0], [%i], 16;", "bulk"),
    ],
)
def test_an_unknown_form_names_itself_its_kernel_and_its_line(
    emulator: Emulator, code: str, words: str
) -> None:
    text = HEADER + kernel("\n" + code)
    line = next(i for i, part in enumerate(text.splitlines(), 1) if part.startswith(code))
    message = refusal(emulator, text)
    assert words in message
    assert "kernel k" in message
    assert f"line {line}:" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no .version"),
        ("MZ\x90\x00", "expected a directive"),
        (".version 9.0\n.target sm_90\n.address_size 32\n", "64-bit"),
        (HEADER + ".entry k()\n{\nret;\n", "brace is not closed"),
        (HEADER + ".entry k()\n{\nadd.u32 %r1, %r2, %r3;\n}\n", "line 6"),
        (HEADER + ".entry k() { ret; }\n.entry k() { ret; }\n", "defined twice"),
        (HEADER + ".global .b8 x[99999999999999];", "out of range"),
        (HEADER + ".global .b32 x[2] = {1, 2, 3};", "more initial values"),
        (HEADER + "/* never closed", "not closed"),
        (HEADER + ".entry k() { .reg .u32 %r<99999999>; }", "out of range"),
        (HEADER + ".entry k() { L: L: ret; }", "defined twice"),
        (HEADER + ".frob 3;", "unknown directive"),
    ],
)
def test_broken_modules_are_refused_in_words(emulator: Emulator, text: str, words: str) -> None:
    assert words in refusal(emulator, text)


def test_a_launch_that_cannot_be_is_refused(emulator: Emulator) -> None:
    text = HEADER + ".entry k(.param .u64 a)\n.maxntid 64, 1, 1\n{ ret; }"
    module = emulator.load(text)
    k = emulator.kernel(module, "k")
    for grid, block in (((0,), (32,)), ((1,), (0,)), ((1,), (2048,)), ((1,), (128,))):
        with pytest.raises(EmulationError):
            emulator.launch(k, grid=grid, block=block, arguments=[0])
    with pytest.raises(EmulationError, match="bytes of parameters"):
        emulator.launch(k, grid=(1,), block=(32,), arguments=b"")
    with pytest.raises(EmulationError, match="no kernel"):
        emulator.kernel(module, "other")


def test_an_offset_beyond_the_address_space_is_out_of_bounds(emulator: Emulator) -> None:
    code = "ld.global.u32 %r0, [box+9223372036854775804];"
    text = kernel(code, ".global .b32 box;")
    (finding,) = run(emulator, text, [np.zeros(64, np.uint64), np.zeros(64, np.uint64)]).findings
    assert finding.kind == FindingKind.OUT_OF_BOUNDS


SEEDS = [
    kernel(
        """
.shared .align 16 .b8 box[512]; .reg .f32 %f<4>;
mad.wide.u32 %i, %n, 4, %i; mad.wide.u32 %o, %n, 4, %o;
loop: add.u32 %r0, %r0, 1; setp.lt.u32 %p0, %r0, %t; @%p0 bra loop;
ld.global.u32 %r1, [%i]; cvt.rn.f32.u32 %f0, %r1; fma.rn.ftz.f32 %f1, %f0, 0f3F000000, %f0;
mov.u32 %r2, box; mad.lo.u32 %r2, %t, 4, %r2; st.shared.f32 [%r2], %f1; bar.sync 0;
{ .reg .f16 %lo, %hi; mov.b32 {%lo, %hi}, %r1; add.f16 %lo, %lo, %hi; mov.b32 %r3, {%lo, %hi}; }
shfl.sync.bfly.b32 %r4|%p1, %r3, 16, 31, -1; atom.global.add.u32 %r5, [%o], %r4;
selp.b32 %r6, %r4, 17, %p1; st.global.u32 [%o], %r6;
"""
    ),
    MATRIX_KERNEL.format(
        code="ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r0, %r1, %r2, %r3}, [%s];"
        "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%r4, %r5}, {%r0, %r1, %r2, %r3},"
        "{%r0, %r1}, {%r4, %r5}; cp.async.wait_all;"
    ),
]
WORDS = [
    *("%r0", "%t", "%i", "-1", "0", "4294967296", "0f7F800000", "99999"),
    *(
        "add.u32",
        "bra",
        "loop",
        "@%p0",
        "exit",
        "bar.sync",
        "mov.b64",
        "st.shared",
        "ld.local",
        "ret",
    ),
    *(".v4", ".f16x2", ";", "{", "}", "[", "]", ",", "|", ":", "//", '"', "_"),
]


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_mutated_kernels_are_refused_or_run_to_an_end(
    emulator: Emulator, data: st.DataObject
) -> None:
    """Whatever still parses is run: the checker guards each access, the limit each loop."""
    text = data.draw(st.sampled_from(SEEDS))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 12))
        word = data.draw(st.one_of(st.sampled_from(WORDS), st.text(max_size=4)))
        text = text[:at] + word + text[at + length :]
    arrays = [np.zeros(64, np.uint64), np.zeros(64, np.uint64), np.uint32(0)]
    try:
        module = emulator.load(HEADER + text)
    except EmulationError:
        return
    try:
        names = emulator.kernels(module)
        count = len(emulator.kernel(module, names[0]).parameters) if names else 0
    except EmulationError:
        return
    finally:
        emulator.unload(module)
    if count in (2, 3):
        try:
            run(emulator, text, arrays[:count], instruction_limit=20000)
        except EmulationError:
            return


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(noise=st.binary(max_size=300))
def test_noise_is_refused(emulator: Emulator, noise: bytes) -> None:
    for text in (noise, HEADER.encode() + noise, HEADER.encode() + b".entry k() {" + noise + b"}"):
        try:
            module = emulator.load(text)
            for name in emulator.kernels(module):
                emulator.kernel(module, name)
        except (EmulationError, UnicodeDecodeError):
            continue
        emulator.unload(module)
