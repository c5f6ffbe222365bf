"""The GPU's clocks while it works, through NVML, and whether they were held down."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import Any

# nvmlClocksEventReason* of nvml.h: what takes the clocks below what load and power allow.
# SW power cap (0x4) is left out: a large GEMM meets it on every card, it is no disturbance.
_HELD_DOWN = 0x8 | 0x20 | 0x40 | 0x80  # HW slowdown, SW thermal, HW thermal, power brake
# A round taken below this share of the highest clock seen in the same cell is dropped: nvbench's
# default throttle threshold (--throttle-threshold, 75%). Of the same cell, since heavy cells meet
# the power cap throughout, and that is how they run.
THROTTLE_SHARE = 0.75

# nvml.h
_CLOCK_SM, _CLOCK_MEM = 1, 2
_VERSION_BUFFER = 80
_SUCCESS = 0


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

    The driver's own library, and not its Python package: where there is a driver it is there.

    Args:
        pci_bus_id: of the GPU, as the driver gives it.
        library: NVML, by path or soname.
    """

    def __init__(
        self, pci_bus_id: str, library: str | os.PathLike[str] = "libnvidia-ml.so.1"
    ) -> None:
        self._nvml: ctypes.CDLL | None = None
        self._device = ctypes.c_void_p()
        self.missing = ""
        self.driver_version = ""
        try:
            nvml = ctypes.CDLL(os.fspath(library))
            self.missing = self._open(nvml, pci_bus_id)
        except (OSError, AttributeError) as error:
            self.missing = f"NVML cannot be loaded: {error}"
        if not self.missing:
            self._nvml = nvml

    def read(self) -> Clock | None:
        """The clocks now; None where NVML does not say."""
        if self._nvml is None:
            return None
        values = (self._clock(_CLOCK_SM), self._clock(_CLOCK_MEM), self._reasons())
        sm, memory, reasons = values
        if sm is None or memory is None or reasons is None:
            return None
        return Clock(sm_mhz=sm, memory_mhz=memory, reasons=reasons)

    def _open(self, nvml: ctypes.CDLL, pci_bus_id: str) -> str:
        """Find the device and the driver's version; why not, where that fails."""
        version = ctypes.create_string_buffer(_VERSION_BUFFER)
        calls: tuple[tuple[str, tuple[Any, ...]], ...] = (
            ("nvmlInit_v2", ()),
            ("nvmlSystemGetDriverVersion", (version, ctypes.c_uint(len(version)))),
            (
                "nvmlDeviceGetHandleByPciBusId_v2",
                (pci_bus_id.encode(), ctypes.byref(self._device)),
            ),
        )
        for name, arguments in calls:
            status = getattr(nvml, name)(*arguments)
            if status != _SUCCESS:
                return f"{name} of NVML failed with status {status}"
        self.driver_version = version.value.decode(errors="replace")
        return ""

    def _clock(self, kind: int) -> int | None:
        value = ctypes.c_uint()
        assert self._nvml is not None
        status = self._nvml.nvmlDeviceGetClockInfo(
            self._device, ctypes.c_int(kind), ctypes.byref(value)
        )
        return value.value if status == _SUCCESS else None

    def _reasons(self) -> int | None:
        value = ctypes.c_ulonglong()
        assert self._nvml is not None
        # nvmlDeviceGetCurrentClocksEventReasons under its older name, which every driver has.
        status = self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons(
            self._device, ctypes.byref(value)
        )
        return value.value if status == _SUCCESS else None
