"""Where a thread finds itself: special registers against the ISA's definitions."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from llamaproof.executor.machine import Emulator
from tests.support.executor.lanes import run

GRID, BLOCK = (3, 2, 2), (5, 4, 3)  # 60 threads: the second warp is not full
THREADS, BLOCKS = 60, 12
STATIC_SHARED, DYNAMIC_SHARED = 64, 1024


def all_threads() -> list[tuple[int, tuple[int, int, int], tuple[int, int, int]]]:
    """Each thread's number in its block, its index and its block's, in the order of storage."""
    places = []
    for block in itertools.product(*(range(n) for n in reversed(GRID))):
        for number, thread in enumerate(itertools.product(*(range(n) for n in reversed(BLOCK)))):
            places.append(
                (number, (thread[2], thread[1], thread[0]), (block[2], block[1], block[0]))
            )
    return places


def values(emulator: Emulator, register: str) -> list[int]:
    """A special register as each thread reads it."""
    text = f"""
.entry k(.param .u64 out)
{{
.shared .align 4 .b8 box[{STATIC_SHARED}];
.reg .b32 %t, %x, %y, %z, %b, %v, %s; .reg .b64 %p;
mov.u32 %x, %tid.x; mov.u32 %y, %tid.y; mov.u32 %z, %tid.z;
mad.lo.u32 %t, %z, {BLOCK[1]}, %y; mad.lo.u32 %t, %t, {BLOCK[0]}, %x;
mov.u32 %x, %ctaid.x; mov.u32 %y, %ctaid.y; mov.u32 %z, %ctaid.z;
mad.lo.u32 %b, %z, {GRID[1]}, %y; mad.lo.u32 %b, %b, {GRID[0]}, %x;
mad.lo.u32 %t, %b, {THREADS}, %t;
ld.param.u64 %p, [out]; mad.wide.u32 %p, %t, 4, %p;
mov.u32 %s, box; mov.u32 %v, {register}; st.global.u32 [%p], %v;
ret;
}}
"""
    # Every thread writes a place of its own, or some would stay what they were.
    out = np.full(BLOCKS * THREADS, 0xDEADBEEF, np.uint32)
    launched = run(
        emulator, text, [out], grid=GRID, block=BLOCK, dynamic_shared_bytes=DYNAMIC_SHARED
    )
    assert launched.findings == ()
    return [int(value) for value in out]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_indices_and_extents(emulator: Emulator, axis: int) -> None:
    places = all_threads()
    name = "xyz"[axis]
    assert values(emulator, f"%tid.{name}") == [thread[axis] for _, thread, _ in places]
    assert values(emulator, f"%ctaid.{name}") == [block[axis] for _, _, block in places]
    assert set(values(emulator, f"%ntid.{name}")) == {BLOCK[axis]}
    assert set(values(emulator, f"%nctaid.{name}")) == {GRID[axis]}


OF_THREAD: dict[str, Callable[[int], int]] = {
    "%laneid": lambda lane: lane,
    "%lanemask_eq": lambda lane: 1 << lane,
    "%lanemask_lt": lambda lane: sum(1 << i for i in range(32) if i < lane),
    "%lanemask_le": lambda lane: sum(1 << i for i in range(32) if i <= lane),
    "%lanemask_gt": lambda lane: sum(1 << i for i in range(32) if i > lane),
    "%lanemask_ge": lambda lane: sum(1 << i for i in range(32) if i >= lane),
}


@pytest.mark.parametrize("register", OF_THREAD)
def test_lanes(emulator: Emulator, register: str) -> None:
    meaning = OF_THREAD[register]
    expected = [meaning(number % 32) for number, _, _ in all_threads()]
    assert values(emulator, register) == expected


def test_warps(emulator: Emulator) -> None:
    assert values(emulator, "%warpid") == [number // 32 for number, _, _ in all_threads()]
    assert set(values(emulator, "%nwarpid")) == {2}


@pytest.mark.parametrize(
    ("register", "value"),
    [
        ("%dynamic_smem_size", DYNAMIC_SHARED),
        ("%total_smem_size", STATIC_SHARED + DYNAMIC_SHARED),
        # Set by the driver, and by the runtime for cooperative launches alone.
        ("%envreg0", 0),
        ("%envreg31", 0),
        # One multiprocessor, and clusters of one block.
        ("%smid", 0),
        ("%nsmid", 1),
        ("%cluster_ctarank", 0),
        ("%cluster_nctarank", 1),
    ],
)
def test_what_is_the_same_for_all(emulator: Emulator, register: str, value: int) -> None:
    assert set(values(emulator, register)) == {value}
