"""The tracer: which kernels a process launches on a real GPU.

In the parent process, `environment()` is what the worker has to be started with. In the worker,
before anything is launched, `attach()`; then `reset()` and `launches()` around what is examined.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llamaproof.errors import LlamaproofError
from llamaproof.native import NATIVE, built

TRACER = NATIVE / "libllamaproof_tracer.so"
_PRELOAD = "LD_PRELOAD"
_ABI = 1
_DRAIN_AT_ONCE = 256
# Only the stand-ins export it (native/shadow/CMakeLists.txt).
_MARK_OF_A_STAND_IN = "llamaproof_soname_space"


@dataclass(frozen=True, kw_only=True)
class TracedLaunch:
    """A kernel launch that the runtime accepted.

    Attributes:
        kernel: mangled name.
        grid, block: x, y, z.
        dynamic_shared: bytes a block.
    """

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    dynamic_shared: int


class _RawLaunch(ctypes.Structure):
    """`llamaproof_traced_launch` of native/tracer/tracer.h."""

    _fields_ = (
        ("kernel", ctypes.c_char_p),
        ("dynamic_shared", ctypes.c_uint64),
        ("grid", ctypes.c_uint32 * 3),
        ("block", ctypes.c_uint32 * 3),
    )


def environment(
    inherited: Mapping[str, str] | None = None, *, library: Path | None = None
) -> dict[str, str]:
    """An environment in which every launch goes through the tracer.

    Args:
        inherited: what it is based on; None is this process's own.
        library: the tracer; None is this package's.

    Raises:
        BadInput: the native libraries are not built.
    """
    base = dict(os.environ if inherited is None else inherited)
    library = built(library or TRACER)
    preloaded = [path for path in (str(library), base.get(_PRELOAD, "")) if path]
    return {**base, _PRELOAD: ":".join(preloaded)}


def attach(library: Path | None = None) -> Tracer:
    """The tracer of this process, which `environment` started with it.

    Raises:
        LlamaproofError: it was not preloaded, so that nothing would be traced.
    """
    library = library or TRACER
    if str(library) not in os.environ.get(_PRELOAD, "").split(":"):
        raise LlamaproofError(
            "the tracer is not preloaded: the launches of this process go past it",
            where=library,
            hint="start the process with the environment that llamaproof.placement.tracer makes",
        )
    return Tracer(ctypes.CDLL(str(library)))


class Tracer:
    """The launches of this process, in the order they were made. Safe from any thread."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.llamaproof_tracer_drain.restype = ctypes.c_size_t
        library.llamaproof_tracer_drain.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        library.llamaproof_tracer_dropped.restype = ctypes.c_uint64
        library.llamaproof_tracer_runtime.restype = ctypes.c_char_p
        if library.llamaproof_tracer_abi() != _ABI:
            raise LlamaproofError(
                "the native libraries belong to another version of llamaproof",
                hint="build them again",
            )

    def reset(self) -> None:
        """Forget all launches."""
        self._library.llamaproof_tracer_reset()

    def launches(self) -> tuple[TracedLaunch, ...]:
        """Take the launches since the last call, oldest first.

        Raises:
            LlamaproofError: a kernel has no name, or launches were lost for want of room.
        """
        found: list[TracedLaunch] = []
        buffer = (_RawLaunch * _DRAIN_AT_ONCE)()
        while count := self._library.llamaproof_tracer_drain(buffer, _DRAIN_AT_ONCE):
            found += [_read(raw) for raw in buffer[:count]]
        lost = int(self._library.llamaproof_tracer_dropped())
        if lost:
            raise LlamaproofError(
                f"{lost} launches found no room", hint="take or reset them more often"
            )
        return tuple(found)

    @property
    def runtime(self) -> Path:
        """The CUDA runtime that calls are passed on to.

        Raises:
            LlamaproofError: the process has loaded none, or several.
        """
        path = self._library.llamaproof_tracer_runtime()
        if path is None:
            raise LlamaproofError(
                "there is not one CUDA runtime in this process that launches could be passed on to",
                hint="the target must bring or find exactly one libcudart",
            )
        return Path(os.fsdecode(path))

    @property
    def on_stand_in(self) -> bool:
        """Whether a stand-in of the shadow runtime takes the real runtime's place."""
        return hasattr(ctypes.CDLL(str(self.runtime)), _MARK_OF_A_STAND_IN)

    def sm(self, device: int = 0) -> int:
        """Compute capability of a device, as 89; initialises the driver in this process.

        Raises:
            LlamaproofError: the runtime does not say.
        """
        sm = int(self._library.llamaproof_tracer_sm(device))
        if sm == 0:
            raise LlamaproofError(f"CUDA does not tell the compute capability of device {device}")
        return sm


def _read(raw: _RawLaunch) -> TracedLaunch:
    name: bytes = raw.kernel
    if not name:
        raise LlamaproofError(
            "a kernel was launched that was never registered",
            hint="its library was loaded before the tracer; preload the tracer",
        )
    grid, block = raw.grid, raw.block
    return TracedLaunch(
        kernel=name.decode(),
        grid=(grid[0], grid[1], grid[2]),
        block=(block[0], block[1], block[2]),
        dynamic_shared=raw.dynamic_shared,
    )
