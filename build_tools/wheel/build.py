"""From a pin to a wheel: the tree, the toolkit, the libraries, the archive."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from build_tools.progress import show
from build_tools.series.prepare import PreparedTree, prepare_tree
from build_tools.toolkit.arch import ArchList, parse_arch
from build_tools.toolkit.fitness import require_fit
from build_tools.toolkit.settings import ToolkitSettings
from build_tools.toolkit.toolkit import Toolkit, ensure_toolkit, known_archs
from build_tools.wheel.backend import run_backend
from build_tools.wheel.contents import WheelContents
from build_tools.wheel.enclosure import Enclosure, enclose, here
from build_tools.wheel.environment import wheel_environment
from build_tools.wheel.making import how_made
from build_tools.wheel.pack import complete_wheel
from build_tools.wheel.settings import Places, config_settings
from llamaproof.errors import LlamaproofError

# The unpacked toolkit is there already; objects, libraries and the wheel take about 0.5 GB.
_FREE_BYTES_NEEDED = 1_500_000_000


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """What is to be built.

    Attributes:
        arch: the GPU architectures, as `parse_arch` reads them.
        toolkit: which CUDA toolkit.
        pin: the name of the pinned source.
        first: how many patches of its series; None is all of them, 0 none.
        jobs: compilers at once.
        out: the folder for the wheel.
    """

    arch: str
    toolkit: ToolkitSettings
    pin: str
    first: int | None
    jobs: int
    out: Path


@dataclass(frozen=True, kw_only=True)
class BuiltWheel:
    """A wheel, and the number of build steps that ran for it."""

    path: Path
    steps: int


def build_wheel(checkout: Path, settings: BuildSettings) -> BuiltWheel:
    """The whole run; an architecture that means nothing is refused before anything is fetched."""
    archs = parse_arch(settings.arch, known_archs(settings.toolkit))
    tree = prepare_tree(checkout, settings.pin, first=settings.first, in_place=True)
    toolkit = None if archs.cpu_only else ensure_toolkit(checkout, settings.toolkit)
    if toolkit is not None:
        require_fit(toolkit, archs)
    _require_space(checkout)
    with tempfile.TemporaryDirectory(prefix="llamaproof-build-") as scratch:
        enclosure = _enclosure(checkout, tree, archs, toolkit, Path(scratch))
        # Before anything is compiled: what cannot be said is known at once.
        making = how_made(checkout, tree.pin, toolkit, not_reproducible=enclosure.obstacle)
        made = run_backend(
            tree.path,
            Path(scratch) / "made",
            config_settings(
                enclosure.seen, archs, commit=tree.pin.llama_cpp_commit, jobs=settings.jobs
            ),
            enclosure=enclosure,
            environment=wheel_environment(os.environ) | {"TMPDIR": scratch},
        )
        contents = WheelContents(
            tree=tree,
            label=_label(tree, archs, toolkit),
            archs=archs,
            toolkit=toolkit,
            making=making,
        )
        wheel = complete_wheel(made.path, contents, checkout / settings.out)
    return BuiltWheel(path=wheel, steps=made.steps)


def build_folder(checkout: Path, tree: str, archs: ArchList, toolkit: Toolkit | None) -> Path:
    """Where a tree is compiled: another toolkit gets another folder.

    CMake that finds another compiler in its cache starts over and forgets what it was told.
    """
    name = f"{tree}-{_flavour(archs, toolkit)}"
    if toolkit is not None:
        name += f"-{hashlib.sha256(str(toolkit.root).encode()).hexdigest()[:8]}"
    return checkout / "build" / "compile" / name


def _enclosure(
    checkout: Path, tree: PreparedTree, archs: ArchList, toolkit: Toolkit | None, scratch: Path
) -> Enclosure:
    real = Places(
        tree=tree.path,
        build=build_folder(checkout, tree.path.name, archs, toolkit),
        environment=here(),
        toolkit=None if toolkit is None else toolkit.root,
    )
    real.build.mkdir(parents=True, exist_ok=True)
    view = scratch / "view"
    view.mkdir()
    enclosure = enclose(real, view)
    if enclosure.obstacle:
        show("compile: not at fixed paths, so that another folder makes other bytes")
        show(f"  the system allows no private mount namespace: {enclosure.obstacle}")
    return enclosure


def _label(tree: PreparedTree, archs: ArchList, toolkit: Toolkit | None) -> str:
    """The local version label: series, CUDA, architectures: `llamaproof.5.1a2b3c4d.cu130.sm89`."""
    series = f"llamaproof.{len(tree.patches)}.g{tree.tree_id[:8]}" if tree.patches else "stock"
    return f"{series}.{_flavour(archs, toolkit)}"


def _flavour(archs: ArchList, toolkit: Toolkit | None) -> str:
    if toolkit is None:
        return "cpu"
    return f"cu{toolkit.version.replace('.', '')}.{archs.label}"


def _require_space(checkout: Path) -> None:
    free = shutil.disk_usage(checkout).free
    if free < _FREE_BYTES_NEEDED:
        raise LlamaproofError(
            f"a build needs about {_FREE_BYTES_NEEDED / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
            where=checkout,
            hint="free some space; `just clean` removes what can be made again",
        )
