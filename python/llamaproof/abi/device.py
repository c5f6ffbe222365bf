"""The GPU code in the libraries: what it was built for, and what the attention kernels take."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from llamaproof.abi.findings import AbiFinding, defect, note
from llamaproof.binary.code_on_card import Arch, archs_of_cmake_item
from llamaproof.binary.cubin import read_kernels
from llamaproof.binary.fatbin import Fatbin, read_codes, read_fatbins
from llamaproof.binary.kernel_figures import Kernel
from llamaproof.kernels import names as kernel_names


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
        """Whether a card of this sm finds code that it can run."""
        return any(Arch.parse(arch).runs_on(sm) for arch in self.archs)


def split_archs(text: str) -> tuple[str, ...]:
    """The items of a list such as `80;89;90`; `cpu` is the empty list."""
    items = tuple(item for item in re.split(r"[;,\s]+", text.strip()) if item)
    return () if items == ("cpu",) else items


def read_device_code(libraries: Sequence[Path]) -> DeviceCode:
    """Read the GPU code of the libraries; all zero where there is none."""
    archs: Counter[str] = Counter()
    attention: set[AttentionCode] = set()  # templates are compiled into several units alike
    fatbins = found = 0
    for library in libraries:
        units = read_fatbins(library)
        fatbins += len(units)
        for unit in units:
            archs.update({str(entry.arch) for entry in unit.entries})
        kernels = list(_machine_code(library, units))
        found += len(kernels)
        attention |= {_attention(k, arch) for arch, k in kernels if "flash_attn" in k.name}
    return DeviceCode(
        fatbins=fatbins,
        archs=dict(sorted(archs.items())),
        kernels=found,
        attention=tuple(sorted(attention, key=astuple)),
    )


def _machine_code(library: Path, units: Sequence[Fatbin]) -> Iterator[tuple[Arch, Kernel]]:
    cubins = [entry for unit in units for entry in unit.entries if entry.kind == "cubin"]
    for entry, code in zip(cubins, read_codes(library, cubins), strict=True):
        for kernel in read_kernels(code, where=library):
            yield entry.arch, kernel


def check_device_code(
    code: DeviceCode, asked: Sequence[str] | None, source: str
) -> list[AbiFinding]:
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
    return list(_differences(code, _wanted(asked), source))


def _differences(code: DeviceCode, wanted: Sequence[str], source: str) -> Iterator[AbiFinding]:
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


def _wanted(asked: Sequence[str]) -> list[str]:
    return [str(arch) for item in asked for arch in archs_of_cmake_item(item)]


def _missing_consequence(name: str) -> str:
    arch = Arch.parse(name)
    if arch.kind == "ptx":
        return f"GPUs newer than {arch.sm} have no PTX to fall back on: no kernel image for them"
    return f"on a GPU of sm_{arch.sm} kernels are compiled at each start, or there is none at all"


def _attention(kernel: Kernel, arch: Arch) -> AttentionCode:
    return AttentionCode(
        kernel=kernel_names.parse(kernel.name).label,
        sm=str(arch),
        registers=kernel.registers or 0,
        shared_bytes=kernel.shared_bytes,
        stack_bytes=kernel.local_bytes or 0,
    )
