"""Sessions: a target's libraries, the GPUs to play, and the process that runs them."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llamaproof.errors import LlamaproofError
from llamaproof.native import NATIVE, built
from llamaproof.shadow.gpus import Gpu
from llamaproof.shadow.index import default_cache, write_index
from llamaproof.shadow.libraries import cuda_needs, stand_ins
from llamaproof.shadow.records import AnyRecord, RawRecord, read_record

Mode = Literal["record", "execute"]

SESSION_VARIABLE = "LLAMAPROOF_SHADOW_SESSION"
_ABI = 1
_DRAIN_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a process needs to run a target's libraries on GPUs that are not there.

    Attributes:
        file: the session file the shadow runtime reads.
        gpus: the devices, in the order of their ordinals.
        mode: `record` (nothing is computed) or `execute`.
        cuda_major: of the runtime the libraries are linked to.
        preload: libraries to load before the target's, in this order.
    """

    file: Path
    gpus: tuple[Gpu, ...]
    mode: Mode
    cuda_major: int
    preload: tuple[Path, ...]

    @property
    def environment(self) -> dict[str, str]:
        """Variables the process must have; `load` sets them in its own."""
        return {SESSION_VARIABLE: str(self.file)}


@dataclass(frozen=True, kw_only=True)
class MemoryUse:
    """Bytes in use on a device now, at most since the last reset, and in all."""

    current: int
    peak: int
    total: int


@dataclass(frozen=True, kw_only=True)
class KernelFigures:
    """What a kernel needs on a device (bytes; registers per thread)."""

    registers: int
    static_shared: int
    local: int
    max_threads: int
    from_ptx: bool
    estimated: bool
    code_sm: int


def prepare(
    libraries: Iterable[Path],
    gpus: Sequence[Gpu],
    *,
    folder: Path,
    mode: Mode = "record",
    cache: Path | None = None,
    native: Path | None = None,
    executor: Path | None = None,
) -> Session:
    """Make ready what a process needs to run these libraries; nothing of them is loaded here.

    Args:
        libraries: the target's (`Target.libraries`), those without CUDA included.
        gpus: the devices to play; none means a machine without a GPU.
        folder: an existing folder for the session's files; it must outlive the process.
        mode: `record`, or `execute` for kernels to be carried out.
        cache: folder for kernel indexes; None is the user's cache folder.
        native: folder of the built native libraries; None is that of this package.
        executor: the library that executes kernels; None is the one in `native`.

    Raises:
        BadInput: a CPU-only or foreign build, a static CUDA runtime, damaged device code, or the
            native libraries are not built.
    """
    needs = cuda_needs(libraries)
    native = _checked_native(native if native is not None else NATIVE)
    lines = ["llamaproof-shadow-session 1", f"mode {mode}"]
    if executor is not None:
        lines.append(f"executor {executor}")
    for gpu in gpus:
        lines.extend(_device_lines(gpu))
    for library in needs.code:
        index = write_index(
            library,
            {gpu.sm for gpu in gpus},
            cache=cache if cache is not None else default_cache(),
            keep_ptx=mode == "execute",
        )
        lines += [f"library {library.resolve()}", f"index {index}"]
    file = folder / "session.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Session(
        file=file,
        gpus=tuple(gpus),
        mode=mode,
        cuda_major=needs.major,
        preload=stand_ins(needs, native, folder),
    )


def load(session: Session) -> Shadow:
    """Load the stand-ins into this process; then load the target's libraries as usual.

    The dynamic loader finds a library that is already there under its SONAME before it looks at
    any rpath, so that what the target asks for is what was loaded here.

    Raises:
        LlamaproofError: a stand-in cannot be loaded, or this process already has a session.
    """
    already = os.environ.get(SESSION_VARIABLE)
    if already not in (None, str(session.file)):
        raise LlamaproofError(
            "this process already runs a session of the shadow runtime",
            where=already,
            hint="a process has one session from start to end; start another process",
        )
    os.environ.update(session.environment)
    loaded = []
    for path in session.preload:
        try:
            loaded.append(ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL))
        except OSError as error:
            raise LlamaproofError(f"cannot load a stand-in: {error}", where=path) from error
    return Shadow(loaded[0])


class Shadow:
    """The shadow runtime in this process: its records and memory. Safe from any thread."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        name = library.llamaproof_shadow_name
        demangled = library.llamaproof_shadow_demangled_name
        for function in (name, demangled):
            function.restype = ctypes.c_char_p
            function.argtypes = [ctypes.c_uint32]
        library.llamaproof_shadow_drain.restype = ctypes.c_size_t
        library.llamaproof_shadow_drain.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        library.llamaproof_shadow_dropped.restype = ctypes.c_uint64
        library.llamaproof_shadow_mark.argtypes = [ctypes.c_char_p]
        if library.llamaproof_shadow_abi() != _ABI:
            raise LlamaproofError(
                "the native libraries belong to another version of llamaproof",
                hint="build them again",
            )
        self._names: dict[int, str] = {}
        self._demangled: dict[int, str] = {}

    def records(self) -> tuple[AnyRecord, ...]:
        """Take what was recorded since the last call, oldest first.

        Raises:
            LlamaproofError: more was recorded than there was room for, so some of it is lost.
        """
        taken = tuple(self._take())
        lost = int(self._library.llamaproof_shadow_dropped())
        if lost:
            raise LlamaproofError(
                f"{lost} records found no room", hint="take or reset the records more often"
            )
        return taken

    def reset(self) -> None:
        """Forget all records; memory peaks start again from what is in use."""
        self._library.llamaproof_shadow_reset()

    def mark(self, label: str) -> None:
        """Put a label among the records."""
        self._library.llamaproof_shadow_mark(label.encode())

    def read_back_counting(self, modulus: int) -> None:
        """Let the host read 0, 1, ..., modulus - 1, over and over, instead of zeros.

        In record mode nothing is computed, so that what the host reads from the device is made
        up: 32-bit words that count from the start of each copied row; zeros to begin with. A
        model of experts needs at least its number of experts used for a token, and no more than
        it has: llama.cpp sorts tokens by expert on the host, and stops when the experts of a
        token are not all different.
        """
        if self._library.llamaproof_shadow_read_back(modulus) != 0:
            raise ValueError("the modulus is at least 1")

    def memory(self, device: int = 0) -> MemoryUse:
        """Memory charged to a device; -1 is pinned host memory, whose total is 0: not limited."""
        figures = (ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_uint64())
        references = [ctypes.byref(figure) for figure in figures]
        if self._library.llamaproof_shadow_memory(device, *references) != 0:
            raise ValueError(f"no device {device}")
        current, peak, total = (figure.value for figure in figures)
        return MemoryUse(current=current, peak=peak, total=total)

    def kernel(self, name: str, device: int = 0) -> KernelFigures | None:
        """Figures of a registered kernel, by mangled name; None where it has no code."""
        raw = (ctypes.c_uint32 * 6)()
        if self._library.llamaproof_shadow_kernel(name.encode(), device, raw) != 0:
            return None
        registers, static_shared, local, max_threads, flags, code_sm = raw
        return KernelFigures(
            registers=registers,
            static_shared=static_shared,
            local=local,
            max_threads=max_threads,
            from_ptx=bool(flags & 4),
            estimated=bool(flags & 8),
            code_sm=code_sm,
        )

    def _take(self) -> Iterator[AnyRecord]:
        buffer = (RawRecord * _DRAIN_AT_ONCE)()
        while count := self._library.llamaproof_shadow_drain(buffer, _DRAIN_AT_ONCE):
            for raw in buffer[:count]:
                yield read_record(raw, self._name, self._demangled_name)

    def _name(self, number: int) -> str:
        if number not in self._names:
            text: bytes = self._library.llamaproof_shadow_name(number)
            self._names[number] = text.decode()
        return self._names[number]

    def _demangled_name(self, number: int) -> str:
        if number not in self._demangled:
            text: bytes = self._library.llamaproof_shadow_demangled_name(number)
            self._demangled[number] = text.decode()
        return self._demangled[number]


def _checked_native(native: Path) -> Path:
    return built(native / "libllamaproof_shadow.so").resolve().parent


def _device_lines(gpu: Gpu) -> list[str]:
    figures = {
        "sm": gpu.sm,
        "memory": gpu.memory,
        "multiprocessors": gpu.multiprocessors,
        "max_threads_per_multiprocessor": gpu.max_threads_per_multiprocessor,
        "max_blocks_per_multiprocessor": gpu.max_blocks_per_multiprocessor,
        "shared_per_multiprocessor": gpu.shared_per_multiprocessor,
        "shared_per_block_optin": gpu.shared_per_block_optin,
        "reserved_shared_per_block": gpu.reserved_shared_per_block,
        "l2": gpu.l2,
        "clock_khz": gpu.clock_khz,
        "memory_clock_khz": gpu.memory_clock_khz,
        "memory_bus_bits": gpu.memory_bus_bits,
        "integrated": int(gpu.integrated),
    }
    return [f"device {gpu.reported_name}", *(f"{key} {value}" for key, value in figures.items())]
