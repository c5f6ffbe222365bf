"""An emulated GPU: load PTX, lend it numpy arrays as memory, launch kernels, see what they did."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from llamaproof.binary.kernel_figures import Parameter
from llamaproof.errors import BadInput, LlamaproofError
from llamaproof.executor import library
from llamaproof.executor.counts import NAMES, Counts
from llamaproof.executor.finding_kind import FindingKind


class EmulationError(LlamaproofError):
    """The emulator cannot carry this out: unknown PTX, an impossible launch, a hang."""


@dataclass(frozen=True, kw_only=True)
class KernelFinding:
    """Something a kernel must not do, where it did it first, and how often at that instruction.

    Attributes:
        block: block index (x, y, z); `thread`: thread index in the block (x, y, z).
        line: line of the PTX text, from 1.
        address: device address, or offset in shared or local memory; 0 where there is none.
    """

    kind: FindingKind
    kernel: str
    line: int
    instruction: str
    block: tuple[int, int, int]
    thread: tuple[int, int, int]
    address: int
    count: int
    detail: str

    def __str__(self) -> str:
        return (
            f"{self.kind.words}: {self.detail} ({self.kernel}, PTX line {self.line}, "
            f"`{self.instruction}`, block {self.block}, thread {self.thread}, {self.count}x)"
        )


@dataclass(frozen=True, kw_only=True)
class Launched:
    """What a launch did. `seconds` is this host's time, `printed` what the kernel printed."""

    counts: Counts
    findings: tuple[KernelFinding, ...]
    printed: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class DecodedKernel:
    """A kernel that was parsed and decoded whole: every instruction in it is known."""

    name: str
    module: int
    parameters: tuple[Parameter, ...]
    parameter_bytes: int
    static_shared_bytes: int
    local_bytes: int
    instructions: int
    max_threads: int
    ordered: bool


@dataclass(frozen=True, kw_only=True)
class LentArray:
    """A numpy array that kernels see as device memory, at the address of its first element."""

    array: npt.NDArray[Any]
    address: int
    nbytes: int


class Emulator:
    """One emulated device. Close it, or use it as a context."""

    def __init__(self, library_path: Path | None = None) -> None:
        self._library = library.open_library(library_path)
        self._handle: int | None = self._library.llamaproof_emulator_create()
        self._buffers: dict[int, LentArray] = {}
        self._classes = library.names(self._library, "class")

    def __enter__(self) -> Emulator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._handle is not None:
            self._library.llamaproof_emulator_destroy(self._handle)
            self._handle = None
            self._buffers.clear()

    def load(self, text: str | bytes) -> int:
        """Parse a PTX module; returns its number.

        Raises:
            EmulationError: the text is no PTX, with the line.
        """
        data = text.encode() if isinstance(text, str) else text
        module = ctypes.c_uint32()
        self._call("load", data, len(data), ctypes.byref(module))
        return module.value

    def unload(self, module: int) -> None:
        self._call("unload", module)

    def kernels(self, module: int) -> tuple[str, ...]:
        """The names of a module's kernels."""
        names = _text(self._library.llamaproof_emulator_kernels(self._handle, module))
        return tuple(names.split())

    def kernel(self, module: int, name: str) -> DecodedKernel:
        """Decode a kernel.

        Raises:
            EmulationError: it holds an instruction form that is not known, with its line.
        """
        info = library.CKernel(struct_bytes=ctypes.sizeof(library.CKernel))
        self._call("kernel_info", module, name.encode(), ctypes.byref(info))
        parameters = []
        for index in range(info.parameter_count):
            offset, size = ctypes.c_uint32(), ctypes.c_uint32()
            self._call(
                "parameter",
                module,
                name.encode(),
                index,
                ctypes.byref(offset),
                ctypes.byref(size),
            )
            parameters.append(Parameter(offset=offset.value, size=size.value))
        return DecodedKernel(
            name=name,
            module=module,
            parameters=tuple(parameters),
            parameter_bytes=info.parameter_bytes,
            static_shared_bytes=info.static_shared_bytes,
            local_bytes=info.local_bytes,
            instructions=info.instructions,
            max_threads=info.max_threads,
            ordered=bool(info.ordered),
        )

    def buffer(self, array: npt.NDArray[Any], *, written: bool = True) -> LentArray:
        """Lend a C-contiguous array to the device; it stays where it is.

        Args:
            written: whether its content counts as defined before a kernel writes it.
        """
        if not array.flags.c_contiguous:
            raise BadInput("device memory must be a C-contiguous array")
        result = LentArray(array=array, address=array.ctypes.data, nbytes=array.nbytes)
        self._call("add_memory", result.address, result.nbytes, result.address, int(written))
        self._buffers[result.address] = result
        return result

    def release(self, buffer: LentArray) -> None:
        """Take an array back."""
        self._call("remove_memory", buffer.address)
        del self._buffers[buffer.address]

    def launch(
        self,
        kernel: DecodedKernel,
        *,
        grid: Sequence[int],
        block: Sequence[int],
        arguments: Sequence[Any] | bytes,
        dynamic_shared_bytes: int = 0,
        threads: int | None = None,
        check: bool = True,
        instruction_limit: int = 0,
    ) -> Launched:
        """Run a grid to its end.

        Args:
            arguments: one for each parameter (a LentArray, an int, a float, a numpy scalar,
                bytes), or the whole parameter block.
            threads: host threads, by default one for each core; the results are the same bits.
            check: look for races, undefined reads and count sectors and bank conflicts.
            instruction_limit: warp instructions of one block after which it is taken to hang.

        Raises:
            EmulationError: the launch cannot be, or does not end.
        """
        packed = arguments if isinstance(arguments, bytes) else pack(kernel, arguments)
        request = library.CLaunch(
            struct_bytes=ctypes.sizeof(library.CLaunch),
            grid=_three(grid),
            block=_three(block),
            dynamic_shared_bytes=dynamic_shared_bytes,
            parameters=ctypes.cast(ctypes.c_char_p(packed), ctypes.c_void_p),
            parameter_bytes=len(packed),
            instruction_limit=instruction_limit,
            threads=threads if threads is not None else (os.cpu_count() or 1),
            check=int(check),
        )
        self._call("launch_kernel", kernel.module, kernel.name.encode(), ctypes.byref(request))
        return Launched(
            counts=self._counts(),
            findings=self._findings(kernel),
            printed=_text(self._library.llamaproof_emulator_printed(self._handle)),
            seconds=self._library.llamaproof_emulator_seconds(self._handle),
        )

    def profile(self) -> dict[str, int]:
        """Opcodes of the last launch and how often warps issued them, most first."""
        text = _text(self._library.llamaproof_emulator_profile(self._handle))
        lines = (line.split(" ", 1) for line in text.splitlines())
        return {opcode: int(times) for times, opcode in lines}

    def _counts(self) -> Counts:
        by_class = {
            name: value
            for index, name in enumerate(self._classes)
            if (value := self._library.llamaproof_emulator_class_count(self._handle, index))
        }
        plain = {
            name: self._library.llamaproof_emulator_count(self._handle, index)
            for index, name in enumerate(NAMES)
        }
        return Counts(by_class=by_class, **plain)

    def _findings(self, kernel: DecodedKernel) -> tuple[KernelFinding, ...]:
        found = []
        for index in range(self._library.llamaproof_emulator_finding_count(self._handle)):
            raw = library.CFinding(struct_bytes=ctypes.sizeof(library.CFinding))
            self._library.llamaproof_emulator_finding_at(self._handle, index, ctypes.byref(raw))
            found.append(
                KernelFinding(
                    kind=FindingKind(raw.kind),
                    kernel=kernel.name,
                    line=raw.line,
                    instruction=_text(raw.instruction),
                    block=(raw.block[0], raw.block[1], raw.block[2]),
                    thread=(raw.thread[0], raw.thread[1], raw.thread[2]),
                    address=raw.address,
                    count=raw.count,
                    detail=_text(raw.detail),
                )
            )
        return tuple(found)

    def _call(self, name: str, *arguments: Any) -> None:
        if self._handle is None:
            raise EmulationError("the emulator is closed")
        function = getattr(self._library, f"llamaproof_emulator_{name}")
        if function(self._handle, *arguments) != 0:
            raise EmulationError(_text(self._library.llamaproof_emulator_error(self._handle)))


def pack(kernel: DecodedKernel, arguments: Sequence[Any]) -> bytes:
    """Lay arguments out as the kernel's parameter block.

    Raises:
        BadInput: their number or a size does not fit.
    """
    if len(arguments) != len(kernel.parameters):
        raise BadInput(
            f"{kernel.name} takes {len(kernel.parameters)} arguments and got {len(arguments)}"
        )
    block = bytearray(kernel.parameter_bytes)
    for index, (parameter, argument) in enumerate(zip(kernel.parameters, arguments, strict=True)):
        data = _bytes_of(argument, parameter.size)
        if len(data) != parameter.size:
            raise BadInput(
                f"argument {index} of {kernel.name} has {parameter.size} bytes, not {len(data)}"
            )
        block[parameter.offset : parameter.offset + parameter.size] = data
    return bytes(block)


def _bytes_of(argument: Any, size: int) -> bytes:
    if isinstance(argument, LentArray):
        return struct.pack("<Q", argument.address)
    if isinstance(argument, np.generic):
        return argument.tobytes()
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, float):
        return struct.pack("<f" if size == 4 else "<d", argument)
    if isinstance(argument, int):
        return (argument & ((1 << (8 * size)) - 1)).to_bytes(size, "little")
    raise BadInput(f"{type(argument).__name__} cannot be an argument of a kernel")


def _text(raw: bytes) -> str:
    # PTX is ASCII; what is quoted of a text that is not PTX may be anything.
    return raw.decode(errors="replace")


def _three(extent: Sequence[int]) -> tuple[int, int, int]:
    padded = [*extent, 1, 1, 1][:3]
    return (padded[0], padded[1], padded[2])
