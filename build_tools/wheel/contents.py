"""What a wheel is made of, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from build_tools.series.prepare import PreparedTree
from build_tools.toolkit.arch import ArchList
from build_tools.toolkit.toolkit import Toolkit

DISTRIBUTION = "llama_cpp_python"


@dataclass(frozen=True, kw_only=True)
class WheelContents:
    """What the steps that complete a wheel know of it.

    Attributes:
        tree: the source that it was compiled from.
        label: PEP 440 local label: series and CUDA.
        archs: what the GPU code was built for.
        toolkit: what it was built with; None without CUDA.
        compiler: the C++ compiler, in its own words.
        locks: SHA-256 by file name of the lock files whose packages took part.
        not_reproducible: why other bytes may come of the same inputs; empty where none can.
    """

    tree: PreparedTree
    label: str
    archs: ArchList
    toolkit: Toolkit | None
    compiler: str
    locks: Mapping[str, str]
    not_reproducible: str

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
