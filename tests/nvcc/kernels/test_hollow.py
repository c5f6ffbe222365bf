"""Kernels that only trap are found in the code itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof.kernels.hollow import hollow_kernels
from llamaproof.process import run
from tests.support.toolkit import nvcc

SOURCE = """
#include <cstdio>

template <int DKQ, int DV, int ncols1, int ncols2, bool use_logit_softcap, bool V_is_K_view>
static __global__ void flash_attn_ext_f16(const float * x, float * y) {
    if (use_logit_softcap) {
        printf("no device code\\n");
        __trap();
        return;
    }
    // stands for the loads, products and stores of attention: far above any trap in size
    float a[256];
    #pragma unroll
    for (int i = 0; i < 256; ++i) { a[i] = x[i] * x[(i * 7) % 256] + i; }
    #pragma unroll
    for (int i = 0; i < 256; ++i) { y[i] = a[(i * 13) % 256]; }
}
__global__ void small_helper(float * y) { *y = 1; }
void launch() {
    flash_attn_ext_f16<64, 64, 8, 1, false, false><<<1, 1>>>(nullptr, nullptr);
    flash_attn_ext_f16<64, 64, 8, 1, true, false><<<1, 1>>>(nullptr, nullptr);
    small_helper<<<1, 1>>>(nullptr);
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hollow")
    source = folder / "attention.cu"
    source.write_text(SOURCE)
    output = folder / "attention.o"
    code = "arch=compute_89,code=[sm_89,compute_89]"
    run([nvcc(), "-gencode", code, "-c", source, "-o", output])
    return output


@pytest.mark.parametrize(("sm", "kind"), [(89, "machine code"), (90, "PTX")])
def test_planted_a_kernel_compiled_to_a_trap_is_named(library: Path, sm: int, kind: str) -> None:
    found = hollow_kernels(library, sm)
    assert len(found) == 1, kind
    assert "ILi64ELi64ELi8ELi1ELb1ELb0E" in next(iter(found))


def test_without_code_for_the_sm_nothing_is_hollow(library: Path) -> None:
    assert hollow_kernels(library, 75) == frozenset()
