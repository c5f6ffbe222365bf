"""What the hardware does at best, measured in the same run: a large copy and a large f16 GEMM."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from llamaproof.bench.cuda_driver import CudaDriver
from llamaproof.binary.cuda_libraries import parse_soname
from llamaproof.errors import LlamaproofError

_COPY_BYTES = 1 << 30
_GEMM_SIZE = 8192
_REPEATS = 10

# library_types.h and cublas_api.h, the same numbers in CUDA 12 and 13
_R_16F = 2
_COMPUTE_32F = 68
_OP_N, _OP_T = 0, 1
_ALGO_DEFAULT = -1


@dataclass(frozen=True, kw_only=True)
class Ceilings:
    """Measured limits of the device.

    Attributes:
        copy_bytes_per_s: bytes read plus bytes written by a device-to-device copy of 1 GiB.
        gemm_flop_per_s: of an 8192^3 f16 product with f32 accumulation on random data; None when
            the libraries hold no shared cuBLAS to ask.
        gemm_missing: why, then.
    """

    copy_bytes_per_s: float
    gemm_flop_per_s: float | None
    gemm_missing: str = ""


def measure_ceilings(driver: CudaDriver) -> Ceilings:
    """Measure both on the current context's device; needs 2 GiB of its memory for a moment."""
    with driver.stream() as stream:
        with driver.memory(_COPY_BYTES) as first, driver.memory(_COPY_BYTES) as second:
            seconds = _median_s(
                driver, stream, lambda: driver.copy(second, first, _COPY_BYTES, stream)
            )
        try:
            gemm = _gemm_flop_per_s(driver, stream)
            missing = ""
        except LlamaproofError as error:
            gemm, missing = None, error.what
    return Ceilings(
        copy_bytes_per_s=2 * _COPY_BYTES / seconds, gemm_flop_per_s=gemm, gemm_missing=missing
    )


def _median_s(driver: CudaDriver, stream: int, queue_one: Callable[[], None]) -> float:
    for _ in range(3):
        queue_one()
    with driver.events(_REPEATS + 1) as events:
        driver.record(events[0], stream)
        for event in events[1:]:
            queue_one()
            driver.record(event, stream)
        driver.wait(events[-1])
        pairs = pairwise(events)
        return float(np.median([driver.elapsed_s(a, b) for a, b in pairs]))


def _gemm_flop_per_s(driver: CudaDriver, stream: int) -> float:
    cublas = _loaded_cublas()
    n = _GEMM_SIZE
    # Random data: zeros toggle fewer wires and let the clocks rise above what real work gets.
    data = np.random.default_rng(0).standard_normal((n, n), dtype=np.float32).astype(np.float16)
    size = data.nbytes
    handle = ctypes.c_void_p()
    _check("cublasCreate_v2", cublas.cublasCreate_v2(ctypes.byref(handle)))
    try:
        _check("cublasSetStream_v2", cublas.cublasSetStream_v2(handle, ctypes.c_void_p(stream)))
        with driver.memory(size) as a, driver.memory(size) as b, driver.memory(size) as c:
            driver.upload(a, data.ctypes.data_as(ctypes.c_void_p), size)
            driver.upload(b, data.ctypes.data_as(ctypes.c_void_p), size)
            one, zero = ctypes.c_float(1.0), ctypes.c_float(0.0)
            side = ctypes.c_int(n)
            half = ctypes.c_int(_R_16F)

            def queue_one() -> None:
                status = cublas.cublasGemmEx(
                    handle, ctypes.c_int(_OP_T), ctypes.c_int(_OP_N), side, side, side,
                    ctypes.byref(one),
                    ctypes.c_void_p(a), half, side,
                    ctypes.c_void_p(b), half, side,
                    ctypes.byref(zero),
                    ctypes.c_void_p(c), half, side,
                    ctypes.c_int(_COMPUTE_32F), ctypes.c_int(_ALGO_DEFAULT),
                )  # fmt: skip
                _check("cublasGemmEx", status)

            return 2.0 * n**3 / _median_s(driver, stream, queue_one)
    finally:
        cublas.cublasDestroy_v2(handle)


def _check(name: str, status: int) -> None:
    if status != 0:
        raise LlamaproofError(f"{name} failed with status {status}")


def _loaded_cublas() -> ctypes.CDLL:
    """The cuBLAS that the target's libraries brought into this process."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = Path(line.rpartition(" ")[2])
        found = parse_soname(path.name)
        if found is not None and found.name == "cublas":
            return ctypes.CDLL(str(path))
    raise LlamaproofError("the target's libraries load no shared cuBLAS")
