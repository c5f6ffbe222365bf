"""The few calls of the CUDA driver API that timing needs, on the context ggml has made current.

The driver and not cudart: a target may hold cudart statically, while events, streams and contexts
of the two are the same things (CUDA Driver API, "Interoperability between Runtime and Driver").
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llamaproof.binary.cuda_libraries import DRIVER
from llamaproof.errors import LlamaproofError

# CUdevice_attribute of cuda.h
_ATTRIBUTE_MULTIPROCESSORS = 16
_ATTRIBUTE_L2_BYTES = 38
_ATTRIBUTE_CC_MAJOR = 75
_ATTRIBUTE_CC_MINOR = 76


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A device as the driver describes it.

    Attributes:
        sm: compute capability as nvcc writes it, 90 for 9.0.
        pci_bus_id: `0000:65:00.0`.
        driver: the CUDA version the driver supports, 13000 for 13.0.
    """

    name: str
    sm: int
    multiprocessors: int
    l2_bytes: int
    pci_bus_id: str
    driver: int


class CudaDriver:
    """libcuda.so.1, whose calls raise on any status but success.

    Args:
        library: the driver's library, by path or soname.

    Raises:
        LlamaproofError: there is no driver.
    """

    def __init__(self, library: str | os.PathLike[str] = DRIVER) -> None:
        try:
            self._library = ctypes.CDLL(os.fspath(library))
        except OSError as error:
            raise LlamaproofError(
                f"NVIDIA's driver cannot be loaded: {error}",
                hint="install the driver, or measure on the CPU backend with --on cpu",
            ) from error

    def call(self, name: str, *arguments: Any) -> None:
        """Call a driver function; arguments are ctypes values.

        Raises:
            LlamaproofError: it returned a status other than CUDA_SUCCESS.
        """
        status = getattr(self._library, name)(*arguments)
        if status != 0:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(status, ctypes.byref(text))
            reason = (text.value or b"unknown").decode()
            raise LlamaproofError(f"{name} failed with status {status}: {reason}")

    def gpu(self, ordinal: int) -> Gpu:
        """A device by its ordinal among the visible ones."""
        device = ctypes.c_int()
        self.call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(ordinal))
        name = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", name, ctypes.c_int(len(name)), device)
        bus = ctypes.create_string_buffer(64)
        self.call("cuDeviceGetPCIBusId", bus, ctypes.c_int(len(bus)), device)
        driver = ctypes.c_int()
        self.call("cuDriverGetVersion", ctypes.byref(driver))
        return Gpu(
            name=name.value.decode(),
            sm=10 * self._attribute(_ATTRIBUTE_CC_MAJOR, device)
            + self._attribute(_ATTRIBUTE_CC_MINOR, device),
            multiprocessors=self._attribute(_ATTRIBUTE_MULTIPROCESSORS, device),
            l2_bytes=self._attribute(_ATTRIBUTE_L2_BYTES, device),
            pci_bus_id=bus.value.decode(),
            driver=driver.value,
        )

    def use(self, ordinal: int) -> None:
        """Make a device's primary context, which the runtime and so ggml use, current here."""
        self.call("cuInit", ctypes.c_uint(0))
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(ordinal))
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)

    @contextlib.contextmanager
    def events(self, count: int) -> Iterator[tuple[int, ...]]:
        """Events that keep time, destroyed at the end."""
        made: list[int] = []
        try:
            for _ in range(count):
                event = ctypes.c_void_p()
                self.call("cuEventCreate", ctypes.byref(event), ctypes.c_uint(0))
                assert event.value is not None
                made.append(event.value)
            yield tuple(made)
        finally:
            for handle in made:
                self.call("cuEventDestroy_v2", ctypes.c_void_p(handle))

    def elapsed_s(self, first: int, second: int) -> float:
        """Seconds between two events that have happened."""
        milliseconds = ctypes.c_float()
        self.call(
            "cuEventElapsedTime",
            ctypes.byref(milliseconds),
            ctypes.c_void_p(first),
            ctypes.c_void_p(second),
        )
        return milliseconds.value / 1e3

    def wait(self, event: int) -> None:
        """Wait until an event has happened."""
        self.call("cuEventSynchronize", ctypes.c_void_p(event))

    @contextlib.contextmanager
    def stream(self) -> Iterator[int]:
        """A stream that waits for no other, destroyed at the end."""
        stream = ctypes.c_void_p()
        non_blocking = ctypes.c_uint(1)
        self.call("cuStreamCreate", ctypes.byref(stream), non_blocking)
        assert stream.value is not None
        try:
            yield stream.value
        finally:
            self.call("cuStreamDestroy_v2", stream)

    def record(self, event: int, stream: int) -> None:
        """Record an event on a stream."""
        self.call("cuEventRecord", ctypes.c_void_p(event), ctypes.c_void_p(stream))

    @contextlib.contextmanager
    def memory(self, size: int) -> Iterator[int]:
        """Device memory, freed at the end; yields its address."""
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        try:
            yield address.value
        finally:
            self.call("cuMemFree_v2", address)

    def upload(self, address: int, data: Any, size: int) -> None:
        """Copy host memory (a ctypes pointer or buffer) to the device and wait."""
        self.call("cuMemcpyHtoD_v2", ctypes.c_uint64(address), data, ctypes.c_size_t(size))

    def copy(self, destination: int, source: int, size: int, stream: int) -> None:
        """Queue a copy within the device."""
        self.call(
            "cuMemcpyDtoDAsync_v2",
            ctypes.c_uint64(destination),
            ctypes.c_uint64(source),
            ctypes.c_size_t(size),
            ctypes.c_void_p(stream),
        )

    def _attribute(self, number: int, device: ctypes.c_int) -> int:
        value = ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(number), device)
        return value.value
