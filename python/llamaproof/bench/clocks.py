"""The GPU's clocks while it works, through NVML, and whether they were held down."""

from __future__ import annotations

import contextlib
import importlib
from dataclasses import dataclass
from typing import Any

# nvmlClocksEventReason* of nvml.h: what takes the clocks below what load and power allow.
# SW power cap (0x4) is left out: a large GEMM meets it on every card, it is no disturbance.
_HELD_DOWN = 0x8 | 0x20 | 0x40 | 0x80  # HW slowdown, SW thermal, HW thermal, power brake
# A sample taken below this share of the highest clock seen in the run is dropped: nvbench's
# default throttle threshold (--throttle-threshold, 75%).
THROTTLE_SHARE = 0.75


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Clocks at one moment, MHz; `reasons` is NVML's bit mask of what limits them."""

    sm_mhz: int
    memory_mhz: int
    reasons: int

    @property
    def held_down(self) -> bool:
        return bool(self.reasons & _HELD_DOWN)


class Clocks:
    """Reads the clocks of one GPU; `read` gives None where NVML is not to be had.

    Args:
        pci_bus_id: of the GPU, as the driver gives it.
    """

    def __init__(self, pci_bus_id: str) -> None:
        self._nvml: Any = None
        self._handle: Any = None
        self.missing = ""
        try:
            nvml: Any = importlib.import_module("pynvml")
        except ImportError:
            self.missing = "the Python package nvidia-ml-py is not installed"
            return
        try:
            nvml.nvmlInit()
            self._handle = nvml.nvmlDeviceGetHandleByPciBusId(pci_bus_id)
        except nvml.NVMLError as error:
            self.missing = f"NVML: {error}"
            return
        self._nvml = nvml

    @property
    def driver_version(self) -> str:
        """The driver's version, as `580.159.04`; empty where unknown."""
        if self._nvml is None:
            return ""
        version = self._nvml.nvmlSystemGetDriverVersion()
        return version.decode() if isinstance(version, bytes) else str(version)

    def read(self) -> Clock | None:
        """The clocks now."""
        nvml = self._nvml
        if nvml is None:
            return None
        # nvmlDeviceGetCurrentClocksEventReasons' older name, which every version of the package has
        with contextlib.suppress(nvml.NVMLError):
            return Clock(
                sm_mhz=nvml.nvmlDeviceGetClockInfo(self._handle, nvml.NVML_CLOCK_SM),
                memory_mhz=nvml.nvmlDeviceGetClockInfo(self._handle, nvml.NVML_CLOCK_MEM),
                reasons=nvml.nvmlDeviceGetCurrentClocksThrottleReasons(self._handle),
            )
        return None
