"""What `CUDA_ARCH=` may say, and what it stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from build_tools.toolkit.recipes import CUDA12, DEFAULT
from llamaproof.errors import BadInput

_ITEM = re.compile(r"(\d+)(-real|-virtual)?")


@dataclass(frozen=True, kw_only=True)
class Arch:
    """One GPU architecture: its number, and whether machine code and PTX are built for it."""

    number: int
    code: bool
    ptx: bool

    @property
    def cmake(self) -> str:
        """As CMAKE_CUDA_ARCHITECTURES spells it."""
        if self.code and self.ptx:
            return str(self.number)
        return f"{self.number}-real" if self.code else f"{self.number}-virtual"


@dataclass(frozen=True, kw_only=True)
class ArchList:
    """The architectures of one wheel; none at all means a wheel without CUDA."""

    archs: tuple[Arch, ...]

    @property
    def cpu_only(self) -> bool:
        return not self.archs

    @property
    def cmake(self) -> str:
        return ";".join(a.cmake for a in self.archs)

    @property
    def label(self) -> str:
        """For a version label and a folder name: `cpu`, `sm89`, `sm80.sm89.ptx90`."""
        if self.cpu_only:
            return "cpu"
        return ".".join(_label(a) for a in self.archs)


def parse_arch(text: str, known: tuple[int, ...] = DEFAULT.archs) -> ArchList:
    """Read `89`, `80;89;90`, `90-real`, `90-virtual`, `cpu`.

    Args:
        text: items separated by semicolons or commas.
        known: the architectures the toolkit can compile for.

    Raises:
        BadInput: an item means nothing, is not known to the toolkit, or is named twice.
    """
    items = [item for item in re.split(r"[;,\s]+", text.strip()) if item]
    if items == ["cpu"]:
        return ArchList(archs=())
    if not items:
        raise _unknown("an empty value", known)
    archs = tuple(_parse_item(item, known) for item in items)
    numbers = [a.number for a in archs]
    for number in numbers:
        if numbers.count(number) > 1:
            raise BadInput(
                f"CUDA_ARCH names {number} twice",
                hint=f"a plain {number} builds machine code and PTX both",
            )
    return ArchList(archs=tuple(sorted(archs, key=lambda a: a.number)))


def _parse_item(item: str, known: tuple[int, ...]) -> Arch:
    match = _ITEM.fullmatch(item)
    if match is None or int(match.group(1)) not in known:
        raise _unknown(repr(item), known)
    form = match.group(2)
    return Arch(number=int(match.group(1)), code=form != "-virtual", ptx=form != "-real")


def _label(arch: Arch) -> str:
    if not arch.code:
        return f"ptx{arch.number}"
    return f"sm{arch.number}" if arch.ptx else f"sm{arch.number}real"


def _unknown(what: str, known: tuple[int, ...]) -> BadInput:
    numbers = " ".join(map(str, known))
    match = _ITEM.fullmatch(what.strip("'"))
    older = match is not None and int(match.group(1)) in set(CUDA12.archs) - set(known)
    elsewhere = f"; CUDA={CUDA12.name} compiles for it" if older else ""
    return BadInput(
        f"CUDA_ARCH: {what} means nothing to this toolkit",
        hint=(
            f"one or more of {numbers}, separated by `;`, each plain (machine code and PTX), "
            "with -real (machine code alone) or -virtual (PTX alone); or `cpu`"
            f"{elsewhere}"
        ),
    )
