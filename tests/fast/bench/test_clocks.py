"""Clocks are read through NVML as its header says, and where there is none the reason is kept."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from llamaproof.bench.clocks import Clock, Clocks
from llamaproof.process import run

SOURCE = Path(__file__).with_name("fake_nvml.c")
BUS = "0000:65:00.0"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fake") / "libnvidia-ml.so.1"
    run(["gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", path, SOURCE])
    return path


@pytest.fixture
def library(built: Path) -> Iterator[Path]:
    yield built
    ctypes.CDLL(str(built)).fake_limit(ctypes.c_ulonglong(0))
    ctypes.CDLL(str(built)).fake_break(0)


def test_clocks_and_driver_are_what_nvml_says(library: Path) -> None:
    clocks = Clocks(BUS, library)
    assert clocks.missing == "" and clocks.driver_version == "580.159.04"
    assert clocks.read() == Clock(sm_mhz=1980, memory_mhz=3201, reasons=0)


@pytest.mark.parametrize(
    ("bits", "held"), [(0x4, False), (0x8, True), (0x20, True), (0x40, True), (0x80, True)]
)
def test_heat_and_power_brakes_hold_clocks_down_and_a_power_cap_does_not(
    library: Path, bits: int, held: bool
) -> None:
    ctypes.CDLL(str(library)).fake_limit(ctypes.c_ulonglong(bits))
    clock = Clocks(BUS, library).read()
    assert clock is not None and clock.held_down is held


def test_a_gpu_that_nvml_does_not_know_has_no_clocks(library: Path) -> None:
    clocks = Clocks("0000:01:00.0", library)
    assert "nvmlDeviceGetHandleByPciBusId_v2 of NVML failed with status 6" in clocks.missing
    assert clocks.read() is None


def test_a_clock_that_cannot_be_read_is_none(library: Path) -> None:
    clocks = Clocks(BUS, library)
    ctypes.CDLL(str(library)).fake_break(3)
    assert clocks.read() is None


def test_without_nvml_the_reason_is_kept(tmp_path: Path) -> None:
    clocks = Clocks(BUS, tmp_path / "libnvidia-ml.so.1")
    assert "NVML cannot be loaded" in clocks.missing and clocks.driver_version == ""
    assert clocks.read() is None
