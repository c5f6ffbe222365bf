"""The GPU's clocks while it works, through NVML, and whether they were held down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# nvmlClocksEventReason* of nvml.h: what takes the clocks below what load and power allow.
# SW power cap (0x4) is left out: a large GEMM meets it on every card, it is no disturbance.
_HELD_DOWN = 0x8 | 0x20 | 0x40 | 0x80  # HW slowdown, SW thermal, HW thermal, power brake
# A round taken below this share of the highest clock seen in the same cell is dropped: nvbench's
# default throttle threshold (--throttle-threshold, 75%). Of the same cell, since heavy cells meet
# the power cap throughout, and that is how they run.
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
    """Reads the clocks of one GPU; `read` gives None where NVML does not say.

    Args:
        pci_bus_id: of the GPU, as the driver gives it.

    Attributes:
        missing: why there are none; empty where there are.
        driver_version: of NVIDIA's driver; empty where NVML does not say.
    """

    def __init__(self, pci_bus_id: str) -> None:
        self._read: Callable[[], Clock | None] = _nothing
        self.missing = ""
        self.driver_version = ""
        try:
            # Imported where it is needed: what is not timed on a GPU does without.
            import pynvml
        except ImportError as error:
            self.missing = f"the Python package nvidia-ml-py is not installed: {error}"
            return
        try:
            pynvml.nvmlInit()
            self.driver_version = pynvml.nvmlSystemGetDriverVersion()
            device = pynvml.nvmlDeviceGetHandleByPciBusId(pci_bus_id)
        except pynvml.NVMLError as error:
            self.missing = f"NVML does not know the GPU at {pci_bus_id}: {error}"
            return
        self._read = lambda: _clock_of(pynvml, device)

    def read(self) -> Clock | None:
        """The clocks now; None where NVML does not say."""
        return self._read()


def _nothing() -> None:
    """What is read where there is no NVML."""


def _clock_of(pynvml: Any, device: Any) -> Clock | None:
    try:
        return Clock(
            sm_mhz=pynvml.nvmlDeviceGetClockInfo(device, pynvml.NVML_CLOCK_SM),
            memory_mhz=pynvml.nvmlDeviceGetClockInfo(device, pynvml.NVML_CLOCK_MEM),
            # Their newer name is ...ClocksEventReasons, which not every driver has.
            reasons=pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(device),
        )
    except pynvml.NVMLError:
        return None
