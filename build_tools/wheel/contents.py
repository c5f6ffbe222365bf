"""What goes into a wheel, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from build_tools.toolkit.arch import ArchList
from build_tools.toolkit.toolkit import Toolkit

DISTRIBUTION = "llama_cpp_python"


@dataclass(frozen=True, kw_only=True)
class WheelContents:
    """A wheel before it is written.

    Attributes:
        version: of the release the source is, `0.3.16`.
        label: PEP 440 local label: series and CUDA.
        libraries: the compiled libraries.
        archs: what the GPU code was built for.
        toolkit: what it was built with; None without CUDA.
        record: facts written to llama_cpp/llamaproof.json besides those above.
    """

    version: str
    label: str
    libraries: tuple[Path, ...]
    archs: ArchList
    toolkit: Toolkit | None
    record: Mapping[str, object]

    @property
    def full_version(self) -> str:
        return f"{self.version}+{self.label}"
