"""The GPU code in the libraries: what it was built for, and what the attention kernels take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from llamaproof.abi.findings import Finding, defect, note
from llamaproof.binary import fatbin, kernel_names
from llamaproof.errors import BadInput

_ARCH = re.compile(r"(\d+)([af]?)(-real|-virtual)?")


@dataclass(frozen=True, kw_only=True)
class AttentionCode:
    """One attention kernel as compiled for one sm.

    Attributes:
        kernel: as the source writes it, with its template arguments.
        sm: `sm_89`.
        registers: per thread.
        shared_bytes: static shared memory; what is asked for at launch comes on top.
        stack_bytes: local memory per thread: arrays on the stack and spilled registers together.
    """

    kernel: str
    sm: str
    registers: int
    shared_bytes: int
    stack_bytes: int


@dataclass(frozen=True, kw_only=True)
class DeviceCode:
    """The GPU code of all libraries.

    Attributes:
        fatbins: translation units with GPU code, over all libraries.
        archs: by `sm_89` or `compute_89`, in how many of them it is there.
        kernels: machine code kernels of every kind.
        attention: the flash-attention kernels, by name and sm.
    """

    fatbins: int
    archs: dict[str, int]
    kernels: int
    attention: tuple[AttentionCode, ...]

    def json(self) -> dict[str, Any]:
        return asdict(self)

    def runs_on(self, sm: int) -> bool:
        """Whether a card of this sm finds code: machine code of its own major version, not newer
        than it, or PTX (CUDA C++ Programming Guide, binary and PTX compatibility)."""
        built = [arch.partition("_") for arch in self.archs]
        numbers = [(kind, int(n)) for kind, _, n in built if n.isdigit()]
        return any(n <= sm and (kind == "compute" or n // 10 == sm // 10) for kind, n in numbers)


def wanted_archs(asked: Sequence[str]) -> tuple[str, ...]:
    """What CMake's architecture list stands for: `89` is sm_89 and compute_89 (PTX).

    Raises:
        BadInput: an item means nothing.
    """
    wanted: list[str] = []
    for item in asked:
        match = _ARCH.fullmatch(item)
        if match is None:
            raise BadInput(
                f"--cuda-arch: {item!r} is no GPU architecture",
                hint="write 89, 80;89;90, 90-real, 90-virtual, or cpu for no GPU code",
            )
        number, suffix, form = match.groups()
        if form != "-virtual":
            wanted.append(f"sm_{number}{suffix}")
        if form != "-real":
            wanted.append(f"compute_{number}{suffix}")
    return tuple(wanted)


def split_archs(text: str) -> tuple[str, ...]:
    """The items of a list such as `80;89;90`; `cpu` is the empty list."""
    items = tuple(item for item in re.split(r"[;,\s]+", text.strip()) if item)
    return () if items == ("cpu",) else items


def read_device_code(libraries: Sequence[Path]) -> DeviceCode:
    """Read the GPU code of the libraries; all zero where there is none."""
    archs: dict[str, int] = {}
    attention: set[AttentionCode] = set()  # templates are compiled into several units alike
    fatbins = found = 0
    for library in libraries:
        units = fatbin.read_fatbins(library)
        fatbins += len(units)
        for unit in units:
            for arch in {entry.arch for entry in unit.entries}:
                archs[arch] = archs.get(arch, 0) + 1
        cubins = [entry for unit in units for entry in unit.entries if entry.kind == "cubin"]
        for entry, code in zip(cubins, fatbin.read_codes(library, cubins), strict=True):
            read = fatbin.read_kernels(code, where=library)
            found += len(read)
            attention |= {_attention(k, entry.arch) for k in read if "flash_attn" in k.name}
    return DeviceCode(
        fatbins=fatbins,
        archs=dict(sorted(archs.items())),
        kernels=found,
        attention=tuple(sorted(attention, key=astuple)),
    )


def check_device_code(code: DeviceCode, asked: Sequence[str] | None, source: str) -> list[Finding]:
    """That each translation unit holds just what was asked for.

    Args:
        code: what is there.
        asked: items of CMake's list; None where nobody says.
        source: who says so.
    """
    if asked is None:
        if not code.fatbins:
            return []
        return [
            note(
                "device.unknown",
                "GPU code",
                expected="nobody says what was asked for",
                found=", ".join(code.archs),
                consequence="give --cuda-arch to have it compared",
            )
        ]
    return list(_differences(code, wanted_archs(asked), source))


def _differences(code: DeviceCode, wanted: Sequence[str], source: str) -> Iterator[Finding]:
    for arch in wanted:
        there = code.archs.get(arch, 0)
        if there and there == code.fatbins:
            continue
        yield defect(
            "device.missing",
            arch,
            expected=f"in all GPU code, by {source}",
            found=f"in {there} of {code.fatbins} translation units"
            if code.fatbins
            else "no GPU code",
            consequence=_missing_consequence(arch),
        )
    for arch in sorted(set(code.archs) - set(wanted)):
        yield defect(
            "device.extra",
            arch,
            expected=f"{', '.join(wanted) or 'no GPU code'}, by {source}",
            found=f"{arch} in {code.archs[arch]} of {code.fatbins} translation units",
            consequence="the wheel is not the one that was asked for, and larger",
        )


def _missing_consequence(arch: str) -> str:
    kind, _, number = arch.partition("_")
    if kind == "compute":
        return f"GPUs newer than {number} have no PTX to fall back on: no kernel image for the card"
    return f"on a GPU of sm_{number} kernels are compiled at each start, or there is none at all"


def _attention(kernel: fatbin.Kernel, arch: str) -> AttentionCode:
    return AttentionCode(
        kernel=kernel_names.parse(kernel.name).label,
        sm=arch,
        registers=kernel.registers or 0,
        shared_bytes=kernel.shared_bytes,
        stack_bytes=kernel.local_bytes or 0,
    )
