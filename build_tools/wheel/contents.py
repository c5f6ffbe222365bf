"""What a wheel is made of, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from build_tools.series.prepare import PreparedTree
from build_tools.toolkit.arch import ArchList
from build_tools.toolkit.toolkit import Toolkit
from llamaproof import __version__
from llamaproof.wheel_contents import Making, Patch, WheelFacts

DISTRIBUTION = "llama_cpp_python"


@dataclass(frozen=True, kw_only=True)
class WheelContents:
    """What the steps that complete a wheel know of it.

    Attributes:
        tree: the source that it was compiled from.
        label: PEP 440 local label: series and CUDA.
        archs: what the GPU code was built for.
        toolkit: what it was built with; None without CUDA.
        making: what it was built from and with.
        compiled: paths below the source of what the compilers read; None before they ran.
    """

    tree: PreparedTree
    label: str
    archs: ArchList
    toolkit: Toolkit | None
    making: Making
    compiled: frozenset[str] | None = None

    @property
    def source(self) -> Path:
        """The folder of the unpacked source."""
        return self.tree.path

    @property
    def version(self) -> str:
        """Of the release that the source is, `0.3.16`."""
        return self.tree.pin.version

    @property
    def full_version(self) -> str:
        return f"{self.version}+{self.label}"

    @property
    def facts(self) -> WheelFacts:
        """What the wheel says of itself."""
        return WheelFacts(
            tool=__version__,
            package_version=self.full_version,
            pin=self.tree.pin.name,
            llama_cpp_commit=self.tree.pin.llama_cpp_commit,
            patches=tuple(Patch(name=each.name, sha256=each.sha256) for each in self.tree.patches),
            tree=self.tree.tree_id,
            cuda=self.toolkit.version if self.toolkit is not None else None,
            cuda_arch=tuple(arch.cmake for arch in self.archs.archs),
            making=self.making,
        )
