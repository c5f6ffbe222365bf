"""A CUDA toolkit that can compile: one of the lock files', or the user's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from build_tools.toolkit.pinned import install_pinned
from build_tools.toolkit.recipes import DEFAULT, Recipe, recipe_named
from build_tools.toolkit.settings import ToolkitSettings
from llamaproof.errors import BadInput
from llamaproof.process import run


@dataclass(frozen=True, kw_only=True)
class Toolkit:
    """A toolkit that can compile.

    Attributes:
        root: the folder with bin/nvcc and include.
        version: as nvcc says it, `13.0`.
        build: as nvcc says it of itself, `13.0.88`.
        archs: the architectures its nvcc knows.
        recipe: the lock files' that it was put together by; None for the user's own.
    """

    root: Path
    version: str
    build: str
    archs: tuple[int, ...]
    recipe: Recipe | None

    @property
    def nvcc(self) -> Path:
        return self.root / "bin" / "nvcc"

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    @property
    def installed(self) -> Path:
        """The folder that a recipe's packages were installed to, or the user's own toolkit."""
        depth = 0 if self.recipe is None else len(Path(self.recipe.root).parts)
        return (self.root, *self.root.parents)[depth]

    @property
    def pinned(self) -> bool:
        """Whether it is ours, from packages; else the user's own."""
        return self.recipe is not None


def ensure_toolkit(checkout: Path, settings: ToolkitSettings) -> Toolkit:
    """The toolkit to build with: CUDA_HOME's where that is set, else a recipe's, installed.

    Raises:
        BadInput: CUDA_HOME holds no toolkit, or one of another CUDA than is asked for.
        CommandFailed, LlamaproofError: it could not be installed; nothing half-done is left.
    """
    if settings.home is not None:
        return _toolkit_of_user(settings.home, settings.cuda)
    recipe = _recipe(settings)
    root = install_pinned(checkout, recipe, settings.deb)
    return Toolkit(
        root=root,
        version=recipe.version,
        build=nvcc_build(root / "bin" / "nvcc"),
        archs=recipe.archs,
        recipe=recipe,
    )


def known_archs(settings: ToolkitSettings) -> tuple[int, ...]:
    """The architectures that `ensure_toolkit`'s toolkit compiles for; installs nothing.

    Raises:
        BadInput: CUDA_HOME holds no toolkit, or one of another CUDA than is asked for.
    """
    if settings.home is not None:
        return _toolkit_of_user(settings.home, settings.cuda).archs
    return _recipe(settings).archs


def default_toolkit(checkout: Path) -> Toolkit:
    """The toolkit of CUDA 13 that everything of the checkout is made with, installed."""
    return ensure_toolkit(checkout, ToolkitSettings())


def nvcc_build(nvcc: Path) -> str:
    """The build that nvcc states, as `12.8.93`; its release is the first two numbers.

    Raises:
        BadInput: it does not say.
    """
    output = run((nvcc, "--version")).output
    match = re.search(r"release \d+\.\d+, V(\d+\.\d+\.\d+)", output)
    if match is None:
        raise BadInput("nvcc does not say its release", where=nvcc, hint=output[-200:])
    return match.group(1)


def _recipe(settings: ToolkitSettings) -> Recipe:
    return DEFAULT if settings.cuda is None else recipe_named(settings.cuda)


def _toolkit_of_user(home: Path, cuda: str | None) -> Toolkit:
    nvcc = home / "bin" / "nvcc"
    if not nvcc.is_file():
        raise BadInput(
            "CUDA_HOME names no CUDA toolkit: there is no bin/nvcc",
            where=home,
            hint="name the folder of a whole toolkit, or unset CUDA_HOME to use the pinned one",
        )
    build = nvcc_build(nvcc)
    version = build.rpartition(".")[0]
    if cuda is not None and not f"{version}.".startswith(f"{cuda}."):
        raise BadInput(
            f"CUDA={cuda} was asked for, and CUDA_HOME holds CUDA {version}",
            where=home,
            hint="leave one of the two out",
        )
    listed = run((nvcc, "--list-gpu-arch")).output
    archs = tuple(sorted(int(n) for n in re.findall(r"^compute_(\d+)$", listed, re.MULTILINE)))
    return Toolkit(root=home, version=version, build=build, archs=archs, recipe=None)
