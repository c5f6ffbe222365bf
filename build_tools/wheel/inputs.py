"""What a wheel is built from: the tree, the architectures, the toolkit."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from build_tools.series.prepare import PreparedTree, prepare_tree
from build_tools.toolkit.arch import ArchList, parse_arch
from build_tools.toolkit.fitness import require_fit
from build_tools.toolkit.settings import ToolkitSettings
from build_tools.toolkit.toolkit import Toolkit, ensure_toolkit, known_archs
from build_tools.wheel.contents import WheelContents
from build_tools.wheel.making import how_made
from llamaproof.errors import LlamaproofError

# The unpacked toolkit is there already; objects, libraries and the wheel take about 0.5 GB.
_FREE_BYTES_NEEDED = 1_500_000_000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be built.

    Attributes:
        arch: the GPU architectures, as `parse_arch` reads them.
        toolkit: which CUDA toolkit.
        pin: the name of the pinned source.
        first: how many patches of its series; None is all of them, 0 none.
    """

    arch: str
    toolkit: ToolkitSettings
    pin: str
    first: int | None


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What it is built from; `toolkit` is None for a wheel without CUDA."""

    tree: PreparedTree
    archs: ArchList
    toolkit: Toolkit | None

    @property
    def flavour(self) -> str:
        """CUDA and architectures, for a folder's name: `cu130.sm89`, `cpu`."""
        if self.toolkit is None:
            return "cpu"
        return f"cu{self.toolkit.version.replace('.', '')}.{self.archs.label}"

    @property
    def label(self) -> str:
        """The local version label: `llamaproof.5.g1a2b3c4d.cu130.sm89`."""
        tree = self.tree
        series = f"llamaproof.{len(tree.patches)}.g{tree.tree_id[:8]}" if tree.patches else "stock"
        return f"{series}.{self.flavour}"

    def contents(self, checkout: Path, *, not_reproducible: str = "") -> WheelContents:
        """What the wheel is made of; known before anything is compiled.

        Args:
            not_reproducible: why another build may give other bytes; empty where none can.

        Raises:
            LlamaproofError: a compiler does not say its version, or a hash is not known.
        """
        return WheelContents(
            tree=self.tree,
            label=self.label,
            archs=self.archs,
            toolkit=self.toolkit,
            making=how_made(
                checkout, self.tree.pin, self.toolkit, not_reproducible=not_reproducible
            ),
        )


def take_inputs(checkout: Path, wanted: Wanted) -> Inputs:
    """Lay all of it out; an architecture that means nothing is refused before that.

    Raises:
        LlamaproofError: something of it is missing, or this machine cannot compile it.
    """
    archs = parse_arch(wanted.arch, known_archs(wanted.toolkit))
    tree = prepare_tree(checkout, wanted.pin, first=wanted.first, in_place=True)
    toolkit = None if archs.cpu_only else ensure_toolkit(checkout, wanted.toolkit)
    if toolkit is not None:
        require_fit(toolkit, archs)
    _require_space(checkout)
    return Inputs(tree=tree, archs=archs, toolkit=toolkit)


def _require_space(checkout: Path) -> None:
    free = shutil.disk_usage(checkout).free
    if free < _FREE_BYTES_NEEDED:
        raise LlamaproofError(
            f"a build needs about {_FREE_BYTES_NEEDED / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
            where=checkout,
            hint="free some space; `just clean` removes what can be made again",
        )
