"""Planted defects: each is found, named, and placed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from llamaproof.executor.finding_kind import FindingKind
from llamaproof.executor.machine import EmulationError, Emulator, KernelFinding
from tests.support.executor.kernels import kernel
from tests.support.executor.lanes import HEADER, run


def line_of(text: str, instruction: str) -> int:
    lines = (HEADER + text).splitlines()
    return next(i for i, line in enumerate(lines, 1) if instruction in line)


def the_finding(
    emulator: Emulator, text: str, arguments: Sequence[Any], **launch: Any
) -> KernelFinding:
    found = run(emulator, text, arguments, **launch).findings
    assert len(found) == 1, [str(f) for f in found]
    return found[0]


def test_a_read_past_the_end_is_named(emulator: Emulator) -> None:
    text = kernel("mad.wide.u32 %i, %n, 4, %i;\nld.global.u32 %r0, [%i];")
    data = np.zeros(40, np.uint32)
    found = the_finding(emulator, text, [data, 0], grid=2, block=32)
    assert found.kind is FindingKind.OUT_OF_BOUNDS
    assert (found.block, found.thread) == ((1, 0, 0), (8, 0, 0))
    assert found.line == line_of(text, "ld.global.u32")
    assert found.address == data.ctypes.data + 160
    assert found.count == 24
    assert found.kernel == "k"
    assert "0 bytes past the end of the allocation of 160 bytes" in found.detail
    clean = run(emulator, text, [data, 0], grid=1, block=32)
    assert clean.findings == ()


def test_a_write_through_a_null_pointer(emulator: Emulator) -> None:
    text = kernel("st.global.u32 [%i], %t;")
    found = the_finding(emulator, text, [0, 0], block=1)
    assert found.kind is FindingKind.OUT_OF_BOUNDS
    assert "null pointer" in found.detail


def test_beyond_shared_memory(emulator: Emulator) -> None:
    text = kernel(
        ".shared .align 4 .b8 box[64];\nmov.u32 %r0, box;\nmad.lo.u32 %r0, %t, 4, %r0;\n"
        "st.shared.u32 [%r0], %t;"
    )
    found = the_finding(emulator, text, [0, 0])
    assert found.kind is FindingKind.OUT_OF_BOUNDS
    assert found.thread == (16, 0, 0)
    assert "64 bytes" in found.detail


def test_misaligned_vectors(emulator: Emulator) -> None:
    text = kernel("ld.global.v4.u32 {%r0, %r1, %r2, %r3}, [%i+4];")
    data = np.zeros(64, np.uint32)
    base = (-data.ctypes.data // 4) % 4
    found = the_finding(emulator, text, [data[base : base + 16], 0], block=1)
    assert found.kind is FindingKind.MISALIGNED
    assert "16 bytes" in found.detail


def test_undefined_memory(emulator: Emulator) -> None:
    text = kernel(
        "mad.wide.u32 %i, %t, 4, %i;\nsetp.lt.u32 %p0, %t, 31;\n@%p0 st.global.u32 [%i], %t;\n"
        "ld.global.u32 %r0, [%i];"
    )
    data = np.zeros(32, np.uint32)
    found = the_finding(emulator, text, [data, 0], written=[False, True])
    assert found.kind is FindingKind.UNINITIALISED_READ
    assert found.thread == (31, 0, 0)
    assert "offset 124" in found.detail
    assert run(emulator, text, [data, 0]).findings == ()


RACE = """
.shared .align 4 .b8 box[256];
mov.u32 %r0, box; mad.lo.u32 %r1, %t, 4, %r0; st.shared.u32 [%r1], %t;
{barrier}
xor.b32 %r2, %t, 32; mad.lo.u32 %r2, %r2, 4, %r0;
ld.shared.u32 %r3, [%r2];
mad.wide.u32 %o, %t, 4, %o; st.global.u32 [%o], %r3;
"""


def test_a_missing_barrier_is_a_race(emulator: Emulator) -> None:
    out = np.zeros(64, np.uint32)
    with_barrier = run(emulator, kernel(RACE.format(barrier="bar.sync 0;")), [0, out], block=64)
    assert with_barrier.findings == ()
    assert np.array_equal(out, np.arange(64) ^ 32)
    text = kernel(RACE.format(barrier=""))
    found = run(emulator, text, [0, out], block=64).findings
    assert {f.kind for f in found} == {FindingKind.SHARED_RACE}
    assert any(
        f.line == line_of(text, "ld.shared.u32") or "st.shared" in f.instruction for f in found
    )


def test_a_write_after_a_read_without_a_barrier_is_a_race(emulator: Emulator) -> None:
    text = kernel(RACE.format(barrier="bar.sync 0;") + "st.shared.u32 [%r1], 7;")
    found = run(emulator, text, [0, np.zeros(64, np.uint32)], block=64).findings
    assert {f.kind for f in found} == {FindingKind.SHARED_RACE}
    places = {line_of(text, "ld.shared.u32"), line_of(text, "st.shared.u32 [%r1], 7;")}
    assert {f.line for f in found} <= places


def test_neighbouring_halves_of_two_warps_are_no_race(emulator: Emulator) -> None:
    text = kernel(
        ".shared .align 4 .b8 box[4];\nmov.u32 %r0, box;\nshr.u32 %r1, %t, 5;\n"
        "shl.b32 %r1, %r1, 1;\n"
        "add.u32 %r0, %r0, %r1;\ncvt.u16.u32 %h0, %r1;\nst.shared.u16 [%r0], %h0;"
    )
    assert run(emulator, text, [0, 0], block=64).findings == ()


def test_an_asynchronous_copy_read_too_early(emulator: Emulator) -> None:
    code = """
.shared .align 16 .b8 box[512];
mov.u32 %r0, box; mad.lo.u32 %r0, %t, 16, %r0; mad.wide.u32 %i, %t, 16, %i;
cp.async.cg.shared.global [%r0], [%i], 16;
cp.async.commit_group;
{wait}
ld.shared.u32 %r1, [%r0];
"""
    data = np.zeros(128, np.uint32)
    assert (
        run(emulator, kernel(code.format(wait="cp.async.wait_group 0;")), [data, 0]).findings == ()
    )
    found = the_finding(emulator, kernel(code.format(wait="")), [data, 0])
    assert found.kind is FindingKind.ASYNC_NOT_WAITED


def test_another_warps_asynchronous_copy_needs_a_barrier(emulator: Emulator) -> None:
    code = """
.shared .align 16 .b8 box[1024];
mov.u32 %r0, box; mad.lo.u32 %r1, %t, 16, %r0; mad.wide.u32 %i, %t, 16, %i;
cp.async.cg.shared.global [%r1], [%i], 16;
cp.async.wait_all;
BARRIER
xor.b32 %r2, %t, 32; mad.lo.u32 %r2, %r2, 16, %r0;
ld.shared.u32 %r3, [%r2];
"""
    data = np.zeros(256, np.uint32)
    clean = kernel(code.replace("BARRIER", "bar.sync 0;"))
    assert run(emulator, clean, [data, 0], block=64).findings == ()
    found = run(emulator, kernel(code.replace("BARRIER", "")), [data, 0], block=64).findings
    assert found
    assert {f.kind for f in found} <= {FindingKind.SHARED_RACE, FindingKind.ASYNC_NOT_WAITED}


def test_a_barrier_inside_a_branch(emulator: Emulator) -> None:
    text = kernel(
        "setp.lt.u32 %p0, %t, 16;\n@!%p0 bra skip;\nbar.sync 0;\nskip: add.u32 %r0, %t, 1;"
    )
    found = the_finding(emulator, text, [0, 0])
    assert found.kind is FindingKind.DIVERGENT_BARRIER
    assert found.line == line_of(text, "bar.sync")


def test_a_barrier_that_other_warps_never_reach(emulator: Emulator) -> None:
    text = kernel(
        "setp.lt.u32 %p0, %t, 32;\n@!%p0 bra skip;\nbar.sync 0;\nskip: add.u32 %r0, %t, 1;"
    )
    found = the_finding(emulator, text, [0, 0], block=64)
    assert found.kind is FindingKind.DIVERGENT_BARRIER
    assert "32 threads" in found.detail


def test_warps_that_wait_at_two_barriers(emulator: Emulator) -> None:
    text = kernel(
        "setp.lt.u32 %p0, %t, 32;\n@!%p0 bra other;\nbar.sync 1;\nbra done;\nother: bar.sync 2;\n"
        "done: add.u32 %r0, %t, 1;"
    )
    found = the_finding(emulator, text, [0, 0], block=64)
    assert found.kind is FindingKind.DEADLOCK


def test_a_lane_missing_from_its_mask(emulator: Emulator) -> None:
    text = kernel(
        "setp.lt.u32 %p0, %t, 16;\n@!%p0 bra skip;\n"
        "shfl.sync.bfly.b32 %r0, %t, 1, 31, -1;\nskip: add.u32 %r0, %t, 1;"
    )
    found = the_finding(emulator, text, [0, 0])
    assert found.kind is FindingKind.MISSING_LANE
    assert found.thread == (16, 0, 0)
    assert found.line == line_of(text, "shfl.sync")
    outside = kernel("shfl.sync.bfly.b32 %r0, %t, 1, 31, 0xffff;")
    assert the_finding(emulator, outside, [0, 0]).kind is FindingKind.MISSING_LANE
    part = text.replace("-1;", "0xffff;")
    assert run(emulator, part, [0, 0]).findings == ()


def test_a_matrix_instruction_needs_the_whole_warp(emulator: Emulator) -> None:
    text = kernel("setp.lt.u32 %p0, %t, 16;\n@%p0 movmatrix.sync.aligned.m8n8.trans.b16 %r0, %t;")
    assert the_finding(emulator, text, [0, 0]).kind is FindingKind.MISSING_LANE


def test_a_trap_tells_what_the_kernel_printed(emulator: Emulator) -> None:
    text = """
.extern .func (.param .b32 result) vprintf (.param .b64 a, .param .b64 b);
.global .align 1 .b8 words[16] = {110, 32, 61, 32, 37, 100, 33, 10, 0};
.entry k()
{
.local .align 8 .b8 depot[8];
.reg .b64 %x, %y; .reg .b32 %r;
mov.u64 %x, depot; st.local.u32 [depot], 42; cvta.local.u64 %x, %x;
mov.u64 %y, words; cvta.global.u64 %y, %y;
{ .param .b64 p0; st.param.b64 [p0], %y; .param .b64 p1; st.param.b64 [p1], %x;
.param .b32 r0; call.uni (r0), vprintf, (p0, p1); ld.param.b32 %r, [r0]; }
trap;
}
"""
    found = the_finding(emulator, text, [], block=1)
    assert found.kind is FindingKind.TRAP
    assert "n = 42!" in found.detail


def test_findings_do_not_depend_on_the_number_of_threads(emulator: Emulator) -> None:
    text = kernel("mad.wide.u32 %i, %n, 4, %i;\nld.global.u32 %r0, [%i];")
    data = np.zeros(100, np.uint32)
    results = [
        run(emulator, text, [data, 0], grid=20, block=32, threads=threads) for threads in (1, 2, 4)
    ]
    assert results[0].findings == results[1].findings == results[2].findings
    assert results[0].counts == results[1].counts == results[2].counts


def test_re_reads_by_other_blocks_are_told_apart(emulator: Emulator) -> None:
    code = "mad.wide.u32 %i, %t, 4, %i;\nld.global.u32 %r0, [%i];\nld.global.u32 %r1, [%i];"
    data = np.zeros(64, np.uint32)
    base = (-data.ctypes.data // 4) % 8
    counts = run(emulator, kernel(code), [data[base : base + 32], 0], grid=5).counts
    assert counts.sectors_read_requested == 5 * 2 * 4
    assert counts.sectors_read_per_block == 5 * 4
    assert counts.sectors_read_unique == 4
    assert counts.global_bytes_read == 5 * 2 * 128


@pytest.mark.parametrize(
    ("stride", "conflicts"), [(4, 0), (8, 1), (16, 3), (128, 31), (132, 0), (0, 0)]
)
def test_bank_conflicts(emulator: Emulator, stride: int, conflicts: int) -> None:
    code = (
        f".shared .align 4 .b8 box[8192];\nmov.u32 %r0, box;\nmad.lo.u32 %r0, %t, {stride}, %r0;\n"
        "ld.shared.u32 %r1, [%r0];"
    )
    counts = run(emulator, kernel(code), [0, 0]).counts
    assert (counts.shared_accesses, counts.shared_conflicts) == (1, conflicts)


def test_instructions_and_lanes_are_counted(emulator: Emulator) -> None:
    text = """
.entry k()
{
.reg .b32 %t, %r; .reg .pred %p;
mov.u32 %t, %tid.x;
setp.lt.u32 %p, %t, 8;
@%p add.u32 %r, %t, 1;
bar.sync 0;
ret;
}
"""
    counts = run(emulator, text, [], grid=3, block=64).counts
    assert counts.warp_instructions == 3 * 2 * 5
    assert counts.by_class["integer"] == 6
    assert counts.barriers == 6
    assert counts.active_lanes == 3 * (2 * 4 * 32 + 8)


def test_a_loop_without_end_is_stopped_at_the_limit(emulator: Emulator) -> None:
    text = """
.entry k(.param .u64 out)
{
.reg .b64 %p; .reg .b32 %r;
ld.param.u64 %p, [out]; mov.u32 %r, 0;
again: add.u32 %r, %r, 1; st.global.u32 [%p], %r; bra again;
}
"""
    turns = np.zeros(1, np.uint32)
    with pytest.raises(EmulationError, match="more than 3000 warp instructions"):
        run(emulator, text, [turns], instruction_limit=3000)
    assert 990 <= turns[0] <= 1000


def test_a_finding_met_again_and_again_is_told_once_and_counted(emulator: Emulator) -> None:
    text = """
.entry k(.param .u64 out)
{
.reg .b64 %p; .reg .b32 %r; .reg .pred %q;
ld.param.u64 %p, [out]; mov.u32 %r, 0;
again: add.u32 %r, %r, 1; add.u64 %p, %p, 4; st.global.u32 [%p+4096], %r;
setp.lt.u32 %q, %r, 50; @%q bra again;
}
"""
    (finding,) = run(emulator, text, [np.zeros(1024, np.uint32)]).findings
    assert (finding.kind, finding.count) == (FindingKind.OUT_OF_BOUNDS, 50 * 32)
    assert "4 bytes past the end" in finding.detail
