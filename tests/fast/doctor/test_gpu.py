"""Asking the driver: a stand-in libcuda.so.1 made by gcc answers like a real one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llamaproof.doctor.gpu import Driver, Gpu, ask_driver, examine_driver
from tests.support.small_libraries import build

GPU = Gpu(name="NVIDIA L40S", sm=89, memory_bytes=48 << 30)

SOURCE = """
#include <string.h>
#include <stddef.h>
int cuDriverGetVersion(int *v) { *v = VERSION; return 0; }
int cuInit(unsigned flags) { (void) flags; return STATUS; }
int cuGetErrorString(int e, const char **s) { (void) e; *s = "no CUDA-capable device"; return 0; }
int cuDeviceGetCount(int *n) { *n = 1; return 0; }
int cuDeviceGet(int *d, int i) { *d = i; return 0; }
int cuDeviceGetName(char *s, int n, int d) { (void) d; strncpy(s, "NVIDIA L40S", n); return 0; }
int cuDeviceGetAttribute(int *v, int a, int d) { (void) d; *v = a == 75 ? 8 : 9; return 0; }
int cuDeviceTotalMem_v2(size_t *b, int d) { (void) d; *b = (size_t) 48 << 30; return 0; }
"""


def _environment(folder: Path, *, version: int = 13000, status: int = 0) -> dict[str, str]:
    source = SOURCE.replace("VERSION", str(version)).replace("STATUS", str(status))
    build(folder / "libcuda.so.1", source)
    return {**os.environ, "LD_LIBRARY_PATH": str(folder)}


def test_the_driver_tells_its_gpus_and_its_cuda(tmp_path: Path) -> None:
    driver = ask_driver(_environment(tmp_path))
    assert driver == Driver(error="", cuda_version=(13, 0), gpus=(GPU,))
    assert [(f.level, f.code) for f in examine_driver(driver, 13, {})] == [("fine", "gpu")]


def test_a_driver_older_than_the_build_stops(tmp_path: Path) -> None:
    driver = ask_driver(_environment(tmp_path, version=12080))
    assert driver.cuda_version == (12, 8)
    found = examine_driver(driver, 13, {})
    assert [(f.level, f.code) for f in found] == [("fine", "gpu"), ("stops", "old-driver")]
    assert "12.8" in found[1].what


@pytest.mark.parametrize("minor", range(10))
def test_a_driver_of_cuda_12_is_told_of_the_wheel_of_cuda_12(minor: int) -> None:
    # From driver 525 (CUDA 12.0) to 575 (12.9).
    driver = Driver(error="", cuda_version=(12, minor), gpus=(GPU,))
    stopping = [f for f in examine_driver(driver, 13, {}) if f.level == "stops"]
    assert ["install a wheel built with CUDA 12" in f.remedy for f in stopping] == [True]
    assert [f.code for f in examine_driver(driver, 12, {})] == ["gpu"]


def test_a_driver_without_a_device_says_why(tmp_path: Path) -> None:
    driver = ask_driver(_environment(tmp_path, status=100))
    assert driver.gpus == ()
    assert driver.error == "cuInit returned 100 (no CUDA-capable device)"


def test_a_driver_that_crashes_is_an_answer(tmp_path: Path) -> None:
    build(tmp_path / "libcuda.so.1", "int cuDriverGetVersion(int *v) { return *(int *) 0 + *v; }")
    driver = ask_driver({**os.environ, "LD_LIBRARY_PATH": str(tmp_path)})
    assert driver.gpus == ()
    assert "SIGSEGV" in driver.error


def test_hidden_gpus_stop() -> None:
    none = Driver(error="cuInit returned 100 (no device)", cuda_version=(13, 0), gpus=())
    found = examine_driver(none, 13, {"CUDA_VISIBLE_DEVICES": ""})
    assert found[0].code == "hidden"
    assert found[0].level == "stops"


def test_no_driver_is_noted() -> None:
    none = Driver(error="libcuda.so.1: cannot open", cuda_version=None, gpus=())
    (found,) = examine_driver(none, 13, {})
    assert found.code in ("no-driver", "no-driver-library")
    assert "libcuda.so.1" in found.what
