"""wmma as nvcc compiles it, against numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llamaproof.executor.machine import Emulator
from llamaproof.process import run
from tests.support.executor.matrices import loaded, matrices, stored
from tests.support.toolkit import nvcc

NVCC_SOURCE = """
#include <mma.h>
using namespace nvcuda;
template <int M, int N, class LA, class LB, class T> __device__ void
multiply(const half * a, int sa, int lines_a, const half * b, int sb, const T * c, T * d, int sc) {
    extern __shared__ half shared_a[];
    for (int i = threadIdx.x; i < lines_a * sa; i += 32) shared_a[i] = a[i];
    __syncthreads();
    wmma::fragment<wmma::matrix_a, M, N, 16, half, LA> fa;
    wmma::fragment<wmma::matrix_b, M, N, 16, half, LB> fb;
    wmma::fragment<wmma::accumulator, M, N, 16, T> fc, fd;
    wmma::load_matrix_sync(fa, shared_a, sa);
    wmma::load_matrix_sync(fb, b, sb);
    wmma::fill_fragment(fc, (T) 0.0f);
    wmma::mma_sync(fc, fa, fb, fc);
    wmma::load_matrix_sync(fd, c, sc, wmma::mem_row_major);
    for (int i = 0; i < fd.num_elements; ++i) fd.x[i] = fd.x[i] * (T) 2.0f + fc.x[i];
    wmma::store_matrix_sync(d, fd, sc, wmma::mem_row_major);
}
#define KERNEL(name, M, N, LA, LB, T)                                                       \\
    extern "C" __global__ void name(const half * a, int sa, int lines_a, const half * b,    \\
                                    int sb, const T * c, T * d, int sc) {                   \\
        multiply<M, N, wmma::LA, wmma::LB, T>(a, sa, lines_a, b, sb, c, d, sc);             \\
    }
#define SHAPES(LA, LB, T, end)                                                              \\
    KERNEL(m16n16k16_##end, 16, 16, LA, LB, T)                                              \\
    KERNEL(m32n8k16_##end, 32, 8, LA, LB, T)                                                \\
    KERNEL(m8n32k16_##end, 8, 32, LA, LB, T)
SHAPES(row_major, col_major, float, row_col_f32)
SHAPES(col_major, row_major, float, col_row_f32)
SHAPES(row_major, row_major, half, row_row_f16)
SHAPES(col_major, col_major, half, col_col_f16)
"""


@pytest.mark.parametrize("arch", [75, 90])
def test_wmma_as_nvcc_compiles_it(emulator: Emulator, tmp_path: Path, arch: int) -> None:
    """With arithmetic on fragments, which must not depend on where an element lies."""
    code, ptx = tmp_path / "wmma.cu", tmp_path / "wmma.ptx"
    code.write_text(NVCC_SOURCE)
    run([nvcc(), "-ptx", f"-arch=compute_{arch}", code, "-o", ptx])
    module = emulator.load(ptx.read_text())
    names = emulator.kernels(module)
    assert len(names) == 12
    for name in names:
        shape, *layouts, accumulator = name.split("_")
        a, b, c = matrices(shape, accumulator, integers=True)
        exact = a.astype(np.float64) @ b.astype(np.float64) + 2 * c
        # A stride of 24 halves: 16 bytes beyond a multiple of 32, as the Programming Guide allows.
        memory = [stored(a, layouts[0], 8), stored(b, layouts[1]), stored(c, "row")]
        out = stored(np.zeros_like(c), "row")
        buffers = [emulator.buffer(array) for array in (*memory, out)]
        strides = [m.shape[1] for m in memory]
        arguments = [buffers[0], strides[0], len(memory[0]), buffers[1], strides[1]]
        launched = emulator.launch(
            emulator.kernel(module, name),
            grid=(1,),
            block=(32,),
            arguments=[*arguments, *buffers[2:], strides[2]],
            dynamic_shared_bytes=4096,
        )
        for buffer in buffers:
            emulator.release(buffer)
        assert launched.findings == (), name
        assert launched.counts.mma_ops == 1
        assert np.array_equal(loaded(out, "row"), exact), name
