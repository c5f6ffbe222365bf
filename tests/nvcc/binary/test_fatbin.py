"""What `fatbin` reads out of nvcc's own output is what NVIDIA's cuobjdump reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llamaproof.binary import fatbin
from llamaproof.binary.cubin import read_kernels
from llamaproof.binary.ptx_header import read_ptx_kernels
from llamaproof.process import run
from tests.support.toolkit import compile_library, cuobjdump

_SOURCE = """
template<int N> __global__ void __launch_bounds__(256, 2) tile(float * x, int n) {
    __shared__ float s[N];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[n];
}
__global__ void local(double a, char c, float * x, int n) {
    float l[40];
    for (int i = 0; i < 40; i++) l[(i * n) % 40] = x[i * 3];
    x[0] = l[(int) a] + c;
}
struct Large { char bytes[9000]; };
__constant__ float table[8];
__global__ void large(Large l, float * x, short h) { x[0] = table[h] + l.bytes[(int) x[1]]; }
void run(float * x) {
    tile<64><<<1, 256>>>(x, 3);
    tile<512><<<1, 256>>>(x, 3);
    local<<<2, 32>>>(1, 2, x, 3);
    large<<<1, 1>>>(Large(), x, 1);
}
"""


@pytest.mark.parametrize("compression", ["none", "speed", "size"])
def test_figures_equal_cuobjdumps(tmp_path: Path, compression: str) -> None:
    library = compile_library(
        tmp_path, _SOURCE, archs=("75", "90a", "120"), options=(f"--compress-mode={compression}",)
    )
    assert _figures(library) == _cuobjdump_figures(library)


def test_cubin_and_ptx_agree_on_what_both_say(tmp_path: Path) -> None:
    library = compile_library(tmp_path, _SOURCE, archs=("75",))
    entries = [e for f in fatbin.read_fatbins(library) for e in f.entries]
    cubins = [e for e in entries if e.kind == "cubin"]
    machine = [k for c in fatbin.read_codes(library, cubins) for k in read_kernels(c)]
    texts = [fatbin.read_ptx(library, e) for e in entries if e.kind == "ptx"]
    portable = [k for text in texts for k in read_ptx_kernels(text)]
    assert len(machine) == len(portable) == 4
    for cubin, ptx in zip(machine, portable, strict=True):
        assert cubin.name == ptx.name
        assert cubin.parameters == ptx.parameters
        assert cubin.shared_bytes == ptx.shared_bytes
        assert cubin.max_threads == ptx.max_threads


def _figures(library: Path) -> dict[tuple[str, str], tuple[int | None, int | None, int]]:
    entries = [e for f in fatbin.read_fatbins(library) for e in f.entries if e.kind == "cubin"]
    return {
        (str(entry.arch), k.name): (
            k.registers,
            k.local_bytes,
            k.shared_bytes + k.reserved_shared_bytes,
        )
        for entry, code in zip(entries, fatbin.read_codes(library, entries), strict=True)
        for k in read_kernels(code)
    }


def _cuobjdump_figures(library: Path) -> dict[tuple[str, str], tuple[int, int, int]]:
    figures = {}
    arch = name = ""
    for line in run([cuobjdump(), "--dump-resource-usage", library]).lines:
        if line.startswith("arch = "):
            arch = line.removeprefix("arch = ")
        elif match := re.match(r" Function (\S+):", line):
            name = match.group(1)
        elif match := re.match(r"\s+REG:(\d+) STACK:(\d+) SHARED:(\d+)", line):
            registers, stack, shared = map(int, match.groups())
            figures[arch, name] = (registers, stack, shared)
    return figures
