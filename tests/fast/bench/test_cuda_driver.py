"""The driver is called as its header says, and what it refuses is an error in words."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from llamaproof.bench.ceilings import measure_ceilings
from llamaproof.bench.cuda_driver import CudaDriver
from llamaproof.errors import LlamaproofError
from llamaproof.process import run

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fake") / "libcuda.so.1"
    run(["gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", path, HERE / "fake_cuda.c"])
    return path


@pytest.fixture
def driver(library: Path) -> CudaDriver:
    opened = CudaDriver(library)
    opened.use(0)
    return opened


def alive(library: Path) -> int:
    return int(ctypes.CDLL(str(library)).fake_alive())


def test_a_device_is_described(driver: CudaDriver) -> None:
    gpu = driver.gpu(0)
    assert (gpu.name, gpu.sm, gpu.multiprocessors) == ("Fake GPU", 90, 132)
    assert (gpu.l2_bytes, gpu.pci_bus_id, gpu.driver) == (60 << 20, "0000:65:00.0", 13000)


def test_the_copy_ceiling_counts_bytes_read_and_written(driver: CudaDriver, library: Path) -> None:
    ceilings = measure_ceilings(driver)
    # The fake takes a millisecond for a copy of 1 GiB.
    assert ceilings.copy_bytes_per_s == pytest.approx(2 * (1 << 30) / 1e-3)
    assert ceilings.gemm_flop_per_s is None and "no shared cuBLAS" in ceilings.gemm_missing
    assert alive(library) == 0


def test_what_the_driver_refuses_is_said_in_words(driver: CudaDriver, library: Path) -> None:
    with (
        pytest.raises(LlamaproofError, match="cuMemAlloc_v2 failed with status 2: out of memory"),
        driver.memory(1 << 40),
    ):
        pass
    assert alive(library) == 0


def test_without_a_driver_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LlamaproofError) as caught:
        CudaDriver(tmp_path / "libcuda.so.1")
    assert "--on cpu" in caught.value.hint
