"""Clocks are read through NVML as it tells them, and where it does not the reason is kept."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llamaproof.bench.clocks import Clock, Clocks
from llamaproof.process import run

SOURCE = Path(__file__).with_name("fake_nvml.c")
SONAME = "libnvidia-ml.so.1"
BUS = "0000:65:00.0"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    path = tmp_path_factory.mktemp("fake") / SONAME
    run(
        ["gcc", "-shared", "-fPIC", "-Wall", "-Werror", f"-Wl,-soname,{SONAME}", "-o", path, SOURCE]
    )
    return ctypes.CDLL(str(path))


@pytest.fixture
def nvml(built: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> Iterator[ctypes.CDLL]:
    """Whoever loads NVML by its soname has this one, which is loaded already."""
    pynvml = pytest.importorskip("pynvml")
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    yield built
    built.fake_limit(ctypes.c_ulonglong(0))
    built.fake_break(0)
    built.fake_miss(0)


@pytest.mark.usefixtures("nvml")
def test_clocks_and_driver_are_what_nvml_says() -> None:
    clocks = Clocks(BUS)
    assert clocks.missing == "" and clocks.driver_version == "580.159.04"
    assert clocks.read() == Clock(sm_mhz=1980, memory_mhz=3201, reasons=0)


@pytest.mark.parametrize(
    ("bits", "held"), [(0x4, False), (0x8, True), (0x20, True), (0x40, True), (0x80, True)]
)
def test_heat_and_power_brakes_hold_clocks_down_and_a_power_cap_does_not(
    nvml: ctypes.CDLL, bits: int, held: bool
) -> None:
    nvml.fake_limit(ctypes.c_ulonglong(bits))
    clock = Clocks(BUS).read()
    assert clock is not None and clock.held_down is held


@pytest.mark.usefixtures("nvml")
def test_a_gpu_that_nvml_does_not_know_has_no_clocks() -> None:
    clocks = Clocks("0000:01:00.0")
    assert clocks.missing == "NVML does not know the GPU at 0000:01:00.0: Not Found"
    assert clocks.read() is None


def test_a_clock_that_cannot_be_read_is_none(nvml: ctypes.CDLL) -> None:
    clocks = Clocks(BUS)
    nvml.fake_break(3)
    assert clocks.read() is None


def test_without_a_driver_the_reason_is_kept(nvml: ctypes.CDLL) -> None:
    nvml.fake_miss(9)  # NVML_ERROR_DRIVER_NOT_LOADED
    clocks = Clocks(BUS)
    assert "Driver Not Loaded" in clocks.missing and clocks.driver_version == ""
    assert clocks.read() is None


def test_without_the_package_the_reason_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    clocks = Clocks(BUS)
    assert "nvidia-ml-py is not installed" in clocks.missing
    assert clocks.read() is None
