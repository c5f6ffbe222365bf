"""What a kernel takes of a multiprocessor, whether machine code or PTX says it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A kernel parameter: its place and size in the parameter block, in bytes."""

    offset: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel in a cubin and what it takes of a multiprocessor.

    Attributes:
        name: mangled.
        registers: per thread; None for PTX, which has no registers assigned yet.
        shared_bytes: static shared memory the source asks for. PTX: the sum of its declarations.
        reserved_shared_bytes: what the compiler adds for the system (sm_90 and newer: 1024);
            `cuobjdump` prints the sum of both, the driver reports `shared_bytes` alone.
        local_bytes: stack frame per thread; None for PTX.
        max_threads: the block size it was compiled for (`__launch_bounds__`); None without one.
        min_blocks: the second argument of `__launch_bounds__`, which only PTX keeps.
        constant_bytes: constant memory of the source visible to it (bank 3).
        parameters: in order.
    """

    name: str
    registers: int | None
    shared_bytes: int
    reserved_shared_bytes: int
    local_bytes: int | None
    max_threads: int | None
    min_blocks: int | None
    constant_bytes: int
    parameters: tuple[Parameter, ...]

    @property
    def parameter_bytes(self) -> int:
        """Bytes of the parameter block."""
        return max((p.offset + p.size for p in self.parameters), default=0)
