"""Which kernels of a target the emulator can carry out: every instruction of every one is decoded.

A kernel is refused at its first instruction that is not known; nothing is executed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llamaproof.binary import fatbin
from llamaproof.executor.machine import EmulationError, Emulator
from llamaproof.reports.printer import Printer

_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Kernels that are refused for the same reason.

    Attributes:
        arch: of the PTX, as nvcc writes it: `compute_89`.
        reason: the instruction and what about it is not known.
        kernels: their mangled names; empty where a whole module is no PTX.
    """

    arch: str
    reason: str
    kernels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What was read of all libraries: modules and bytes of PTX text, kernels in them."""

    modules: int
    text_bytes: int
    kernels: int
    refusals: tuple[Refusal, ...]

    @property
    def refused(self) -> int:
        return sum(len(refusal.kernels) for refusal in self.refusals)

    def __bool__(self) -> bool:
        return self.kernels > 0 and not self.refusals


def coverage_of(libraries: Iterable[Path], *, emulator: Path | None = None) -> Coverage:
    """Decode every kernel of the PTX in these libraries.

    Args:
        emulator: another libllamaproof_emulator.so than the package's.

    Raises:
        BadInput: a library cannot be read, or the emulator is not there.
    """
    modules = text_bytes = kernels = 0
    refused: dict[tuple[str, str], list[str]] = {}
    for arch, text in _ptx_of(libraries):
        modules += 1
        text_bytes += len(text)
        with Emulator(emulator) as device:
            try:
                module = device.load(text)
            except EmulationError as error:
                refused.setdefault((arch, error.what), [])
                continue
            for name in device.kernels(module):
                kernels += 1
                try:
                    device.kernel(module, name)
                except EmulationError as error:
                    refused.setdefault((arch, _reason(error.what)), []).append(name)
    return Coverage(
        modules=modules,
        text_bytes=text_bytes,
        kernels=kernels,
        refusals=tuple(
            Refusal(arch=arch, reason=reason, kernels=tuple(names))
            for (arch, reason), names in sorted(refused.items())
        ),
    )


def print_coverage(coverage: Coverage, printer: Printer) -> None:
    """A line for each reason, then the sum."""
    for refusal in coverage.refusals:
        printer.line(f"{len(refusal.kernels)} of {refusal.arch}: {refusal.reason}", tone="bad")
        for name in refusal.kernels[:_SHOWN]:
            printer.line(f"    {name}", tone="dim")
    known = coverage.kernels - coverage.refused
    printer.line(
        f"{known} of {coverage.kernels} kernels can be executed "
        f"({coverage.modules} modules, {coverage.text_bytes / 1e6:.0f} MB of PTX)"
    )


def _ptx_of(libraries: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for library in libraries:
        for one in fatbin.read_fatbins(library):
            for entry in one.entries:
                if entry.kind == "ptx":
                    yield str(entry.arch), fatbin.read_code(library, entry).rstrip(b"\0")


def _reason(what: str) -> str:
    """Without the line and the kernel, so that equal reasons are one."""
    return re.sub(r"^PTX line \d+: | \(kernel [^)]*\)$", "", what)
