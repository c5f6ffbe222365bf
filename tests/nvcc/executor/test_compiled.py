"""Random small kernels: nvcc's PTX on the emulator against the same C++ compiled for the host."""

from __future__ import annotations

import ctypes
import random
from pathlib import Path

import numpy as np
import pytest

from llamaproof.executor.machine import Emulator
from llamaproof.process import run
from tests.support.toolkit import nvcc

KERNELS = 60
THREADS = 96

PRELUDE = """
#include <stdint.h>
#ifdef __CUDACC__
#define FUNCTION __device__ __forceinline__ static
#else
#define FUNCTION static inline
#endif
// Shifts and divisions that both compilers define alike.
FUNCTION uint32_t shl(uint32_t a, uint32_t n) { return a << (n & 31); }
FUNCTION uint32_t shr(uint32_t a, uint32_t n) { return a >> (n & 31); }
FUNCTION int32_t sar(int32_t a, uint32_t n) { return a >> (n & 31); }
FUNCTION uint32_t quotient(uint32_t a, uint32_t b) { return a / (b | 1); }
FUNCTION int32_t remainder_of(int32_t a, int32_t b) { return a % ((b & 0xffff) + 3); }
FUNCTION uint64_t wide(uint32_t a, uint32_t b) { return (uint64_t)a * b; }
FUNCTION uint32_t high(uint64_t a) { return (uint32_t)(a >> 32); }
FUNCTION float to_float(uint32_t a) { return (float)(int32_t)a; }
FUNCTION uint32_t from_float(float f) {
    return f < 2e9f && f > -2e9f ? (uint32_t)(int32_t)f : 7u;
}
"""


# One alternative after the other: there is nothing to take apart.
def expression(rng: random.Random, depth: int) -> str:  # noqa: C901
    """A random expression of type uint32_t over a, b, c and t."""
    if depth == 0 or rng.random() < 0.1:
        return rng.choice(
            ["a", "b", "c", "t", f"{rng.randrange(1 << 32)}u", f"{rng.randrange(9)}u"]
        )

    def part() -> str:
        return expression(rng, depth - 1)

    kind = rng.randrange(14)
    if kind < 5:
        return f"({part()} {rng.choice(['+', '-', '*', '&', '|', '^'])} {part()})"
    if kind < 7:
        name = rng.choice(["shl", "shr", "quotient"])
        return f"{name}({part()}, {part()})"
    if kind == 7:
        return f"(uint32_t)sar((int32_t){part()}, {part()})"
    if kind == 8:
        return f"(uint32_t)remainder_of((int32_t){part()}, (int32_t){part()})"
    if kind == 9:
        return f"high(wide({part()}, {part()}) + {part()})"
    if kind == 10:
        compared = rng.choice(["<", ">", "==", "<=", "!="])
        cast = rng.choice(["", "(int32_t)"])
        return f"({cast}{part()} {compared} {cast}{part()} ? {part()} : {part()})"
    if kind == 11:
        narrow = rng.choice(["uint8_t", "int8_t", "uint16_t", "int16_t"])
        return f"(uint32_t)({narrow}){part()}"
    if kind == 12:
        operator = rng.choice(["+", "-", "*"])
        return f"from_float(to_float({part()}) {operator} to_float({part()}))"
    return f"~{part()}"


def body(rng: random.Random) -> str:
    """Assignments, branches and loops that depend on the thread: lanes part and meet again."""
    lines = []
    for _ in range(rng.randrange(3, 7)):
        target = rng.choice("abc")
        value = expression(rng, 3)
        kind = rng.randrange(4)
        if kind == 0:
            lines.append(f"if ({expression(rng, 1)} & 1) {target} = {value}; else c += t;")
        elif kind == 1:
            count = f"(({expression(rng, 1)}) & {rng.choice([3, 7])}u)"
            lines.append(f"for (uint32_t i = 0; i < {count}; ++i) {target} = {value} + i;")
        elif kind == 2:
            cases = " ".join(
                f"case {i}: {rng.choice('abc')} ^= {expression(rng, 2)}; break;" for i in range(4)
            )
            lines.append(f"switch (({target} >> 3) & 7) {{ {cases} default: b += 5; }}")
        else:
            lines.append(f"{target} = {value};")
    return "\n".join(lines)


def source(seed: int) -> str:
    rng = random.Random(seed)
    functions = [
        f"FUNCTION uint32_t compute{i}(uint32_t a, uint32_t b, uint32_t c, uint32_t t) {{\n"
        f"{body(rng)}\nreturn a ^ (b * 3u) ^ (c * 5u);\n}}"
        for i in range(KERNELS)
    ]
    device = [
        f'extern "C" __global__ void kernel{i}(const uint32_t * in, uint32_t * out) {{\n'
        "uint32_t t = blockIdx.x * blockDim.x + threadIdx.x;\n"
        f"out[t] = compute{i}(in[3 * t], in[3 * t + 1], in[3 * t + 2], t);\n}}"
        for i in range(KERNELS)
    ]
    host = [
        f'extern "C" void host{i}(const uint32_t * in, uint32_t * out, uint32_t n) {{\n'
        f"for (uint32_t t = 0; t < n; ++t) "
        f"out[t] = compute{i}(in[3 * t], in[3 * t + 1], in[3 * t + 2], t);\n}}"
        for i in range(KERNELS)
    ]
    return "\n".join(
        [PRELUDE, *functions, "#ifdef __CUDACC__", *device, "#else", *host, "#endif", ""]
    )


@pytest.mark.parametrize(
    ("seed", "arch", "optimise"), [(1, 75, "-O3"), (2, 90, "-O3"), (3, 80, "-G")]
)
def test_random_kernels_agree_with_the_host(
    emulator: Emulator, tmp_path: Path, seed: int, arch: int, optimise: str
) -> None:
    code = tmp_path / "random.cu"
    code.write_text(source(seed))
    ptx, library = tmp_path / "random.ptx", tmp_path / "random.so"
    # No contraction: the host rounds a product and a sum each.
    device = ["-ptx", optimise, "-fmad=false", f"-arch=compute_{arch}"]
    run([nvcc(), *device, code, "-o", ptx])
    plain = ["-x", "c++", "-O1", "-fwrapv", "-ffp-contract=off", "-shared", "-fPIC", "-w"]
    run(["g++", *plain, code, "-o", library])
    host = ctypes.CDLL(str(library))
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 1 << 32, size=(2 * THREADS, 3), dtype=np.uint32)
    data[::3] &= 0xFF
    source_buffer = emulator.buffer(data)
    got = np.zeros(2 * THREADS, np.uint32)
    target = emulator.buffer(got)
    module = emulator.load(ptx.read_text())
    for index in range(KERNELS):
        launched = emulator.launch(
            emulator.kernel(module, f"kernel{index}"),
            grid=(2,),
            block=(THREADS,),
            arguments=[source_buffer, target],
        )
        expected = np.zeros_like(got)
        getattr(host, f"host{index}")(
            ctypes.c_void_p(data.ctypes.data),
            ctypes.c_void_p(expected.ctypes.data),
            ctypes.c_uint32(len(got)),
        )
        assert launched.findings == ()
        assert np.array_equal(got, expected), f"kernel{index} of seed {seed}"
