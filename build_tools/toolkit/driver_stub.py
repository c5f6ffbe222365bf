"""A stand-in for the driver's library, to link with or to run without a driver."""

from __future__ import annotations

from pathlib import Path

from llamaproof.binary.cuda_libraries import DRIVER
from llamaproof.process import run

# The driver functions that ggml-cuda calls (its VMM memory pool).
DRIVER_SYMBOLS = (
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuGetErrorString",
    "cuMemAddressFree",
    "cuMemAddressReserve",
    "cuMemCreate",
    "cuMemGetAllocationGranularity",
    "cuMemMap",
    "cuMemRelease",
    "cuMemSetAccess",
    "cuMemUnmap",
)

CUDA_ERROR_NO_DEVICE = 100  # cuda.h


def build_driver_stub(path: Path) -> None:
    """Compile a libcuda.so.1 that says there is no device, to link with or to run without a driver.

    `cuInit` and what cudart asks first answer CUDA_ERROR_NO_DEVICE.
    """
    names = ("cuInit", "cuDriverGetVersion", "cuDeviceGetCount", *DRIVER_SYMBOLS)
    source = path.with_suffix(".c")
    functions = (f"int {name}(void) {{ return {CUDA_ERROR_NO_DEVICE}; }}" for name in names)
    source.write_text("\n".join(functions) + "\n")
    try:
        run(
            ("cc", "-O1", "-shared", "-fPIC", f"-Wl,-soname,{DRIVER}", "-Wl,--build-id=none",
             "-o", path, source)
        )  # fmt: skip
    finally:
        source.unlink()
