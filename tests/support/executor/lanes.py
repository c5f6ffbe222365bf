"""Runs one instruction on many lanes, each with its own operands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from llamaproof.executor.machine import Emulator, Launched

HEADER = ".version 9.0\n.target sm_90\n.address_size 64\n"
_BITS = {1: "b16", 2: "b16", 4: "b32", 8: "b64"}
Array = npt.NDArray[Any]


def aligned(array: Array) -> Array:
    """A copy at an address that is a multiple of 256, as a device's allocator gives them."""
    storage = np.zeros(array.nbytes + 256, np.uint8)
    begin = -storage.ctypes.data % 256
    copy: Array = storage[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def evaluate(
    emulator: Emulator,
    code: str,
    sources: Sequence[Array],
    result: Any,
    *,
    threads: int = 64,
) -> Array:
    """The values `code` computes: it reads %a0, %a1, ... and writes %d; %q is a free predicate.

    `sources` are arrays of one length; `result` is the dtype of %d. 8-bit values travel in
    16-bit registers, as in PTX.
    """
    count = len(sources[0]) if sources else threads
    dtype = np.dtype(result)
    declared = [f".reg .{_BITS[dtype.itemsize]} %d;"]
    loads = []
    for index, source in enumerate(sources):
        size = source.dtype.itemsize
        kind = {1: "u8", 2: "b16", 4: "b32", 8: "b64"}[size]
        declared.append(f".reg .{_BITS[size]} %a{index};")
        loads.append(
            f"ld.param.u64 %p, [in{index}]; mad.wide.u32 %p, %n, {size}, %p;"
            f"ld.global.{kind} %a{index}, [%p];"
        )
    params = ", ".join([f".param .u64 in{i}" for i in range(len(sources))])
    store = {1: "u8", 2: "b16", 4: "b32", 8: "b64"}[dtype.itemsize]
    text = f"""{HEADER}.entry k({params}{", " if params else ""}.param .u64 out, .param .u32 count)
{{
.reg .b32 %n, %c, %t, %u; .reg .b64 %p; .reg .pred %over, %q, %q2;
{" ".join(declared)}
mov.u32 %n, %ctaid.x; mov.u32 %t, %ntid.x; mov.u32 %u, %tid.x; mad.lo.u32 %n, %n, %t, %u;
ld.param.u32 %c, [count]; setp.ge.u32 %over, %n, %c; @%over bra done;
{chr(10).join(loads)}
{code}
ld.param.u64 %p, [out]; mad.wide.u32 %p, %n, {dtype.itemsize}, %p;
st.global.{store} [%p], %d;
done: ret;
}}
"""
    out = np.zeros(count, dtype)
    launched = run(
        emulator, text, [*sources, out, np.uint32(count)], grid=-(-count // threads), block=threads
    )
    assert launched.findings == ()
    return out


def run(
    emulator: Emulator,
    text: str,
    arguments: Sequence[Any],
    *,
    grid: Any = 1,
    block: Any = 32,
    written: Sequence[bool] | None = None,
    **launch: Any,
) -> Launched:
    """Load a module, run its first kernel; arrays among the arguments become device memory."""
    module = emulator.load(text if text.startswith(".version") else HEADER + text)
    kernel = emulator.kernel(module, emulator.kernels(module)[0])
    buffers = []
    given = []
    for index, argument in enumerate(arguments):
        if isinstance(argument, np.ndarray):
            defined = True if written is None else written[index]
            buffers.append(emulator.buffer(argument, written=defined))
            given.append(buffers[-1])
        else:
            given.append(argument)
    try:
        return emulator.launch(
            kernel,
            grid=(grid,) if isinstance(grid, int) else grid,
            block=(block,) if isinstance(block, int) else block,
            arguments=given,
            **launch,
        )
    finally:
        for buffer in buffers:
            emulator.release(buffer)
        emulator.unload(module)
