"""Which code runs on which card: NVIDIA's rules, by the architecture that code is built for.

They are those of the CUDA C++ Programming Guide 13.0:
- "Binary Compatibility": machine code for X.y runs on devices X.z with z >= y. "Binary
  compatibility is supported only for the desktop. It is not supported for Tegra. Also, the binary
  compatibility between desktop and Tegra is not supported."
- "PTX Compatibility": PTX for some compute capability can be compiled for any equal or newer one.
- "Feature Set Compiler Targets", table "Family-Specific Compatibility": architecture-specific code
  (suffix `a`) runs on its own compute capability alone; family-specific code (suffix `f`) on its
  family: compute_100f on 10.0 and 10.3, 103f on 10.3, 110f on 11.0, 120f on 12.0 and 12.1, 121f
  on 12.1. That is the same major version, and no older minor one. Both hold for PTX as for machine
  code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from llamaproof.errors import BadInput

# `other` is code that no card loads: what is kept for linking, and the like.
CodeKind = Literal["cubin", "ptx", "other"]
Suffix = Literal["", "a", "f"]

# Devices of the Tegra line, by sm: Jetson TX1, TX2, Xavier, Orin, and Thor, which was renumbered
# from 101 to 110 in CUDA 13.0. Not GB10 (121): the guide's table has 120f code run on it.
TEGRA = frozenset({53, 62, 72, 87, 101, 110})

_PREFIXES: dict[CodeKind, str] = {"cubin": "sm", "ptx": "compute", "other": "other"}
_KINDS = {prefix: kind for kind, prefix in _PREFIXES.items()}
_SUFFIXES: dict[str, Suffix] = {"": "", "a": "a", "f": "f"}
_NAME = re.compile(r"(sm|compute|other)_(\d+)([af]?)")
_CMAKE_ITEM = re.compile(r"(\d+)([af]?)(-real|-virtual)?")


@dataclass(frozen=True, kw_only=True)
class Arch:
    """What a piece of device code is built for.

    Attributes:
        kind: machine code (`cubin`), or `ptx` that the driver compiles.
        sm: compute capability as one number: 89 is 8.9. For PTX the lowest it may run on.
        suffix: `a` runs on this sm alone, `f` on its family, empty without such a bound.
    """

    kind: CodeKind
    sm: int
    suffix: Suffix = ""

    def __str__(self) -> str:
        """As nvcc writes it: `sm_89`, `sm_120a`, `compute_89`."""
        return f"{_PREFIXES[self.kind]}_{self.sm}{self.suffix}"

    @classmethod
    def parse(cls, name: str) -> Arch:
        """The architecture that nvcc writes so: `sm_90a`, `compute_100f`.

        Raises:
            BadInput: it is no such name.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise BadInput(f"{name!r} is no GPU architecture", hint="as in sm_89 or compute_100f")
        prefix, number, suffix = match.groups()
        return cls(kind=_KINDS[prefix], sm=int(number), suffix=_SUFFIXES[suffix])

    def runs_on(self, sm: int) -> bool:
        """Whether a card of this sm can run the code: as it is, or compiled by the driver."""
        if self.kind == "other":
            return False
        if self.suffix == "a":
            return self.sm == sm
        if self.kind == "ptx" and not self.suffix:
            return self.sm <= sm
        if {self.sm, sm} & TEGRA:
            return self.sm == sm
        return self.sm // 10 == sm // 10 and self.sm <= sm


def archs_of_cmake_item(item: str) -> tuple[Arch, ...]:
    """What an item of CMAKE_CUDA_ARCHITECTURES stands for: `89` is sm_89 and compute_89 (PTX).

    Raises:
        BadInput: the item means nothing.
    """
    match = _CMAKE_ITEM.fullmatch(item)
    if match is None:
        raise BadInput(
            f"{item!r} is no GPU architecture",
            hint="write 89, 80;89;90, 90-real, 90-virtual, or cpu for no GPU code",
        )
    number, suffix, form = match.groups()
    kinds: dict[str | None, tuple[CodeKind, ...]] = {
        None: ("cubin", "ptx"),
        "-real": ("cubin",),
        "-virtual": ("ptx",),
    }
    return tuple(Arch(kind=kind, sm=int(number), suffix=_SUFFIXES[suffix]) for kind in kinds[form])
