"""The toolkits that can be put together from packages, each by its lock files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from llamaproof.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A toolkit of the lock files.

    Attributes:
        name: as `CUDA=` says it, `13`.
        version: as its nvcc says it, `13.0`.
        archs: the architectures its nvcc compiles for, `nvcc --list-gpu-arch` (a test compares).
        locks: the files below requirements/ that say what it is made of.
        root: where it lies within the folder that it is installed to.
        size_gb: how much it takes on disk, unpacked, in 10^9 bytes.
        newest_gcc: the newest major release of g++ that its nvcc accepts, as its headers say.
        why: what it is for.
    """

    name: str
    version: str
    archs: tuple[int, ...]
    locks: tuple[str, ...]
    root: str
    size_gb: float
    newest_gcc: int
    why: str

    def folder(self, checkout: Path) -> Path:
        """Where it is installed, or will be: another lock makes another folder."""
        digest = hashlib.sha256()
        for path in self.lock_files(checkout):
            digest.update(path.read_bytes())
        return checkout / "build" / "toolkit" / f"cuda{self.name}-{digest.hexdigest()[:12]}"

    def lock_files(self, checkout: Path) -> tuple[Path, ...]:
        return tuple(checkout / "requirements" / name for name in self.locks)


DEFAULT = Recipe(
    name="13",
    version="13.0",
    archs=(75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121),
    locks=("cuda13.lock",),
    root="nvidia/cu13",
    size_gb=0.9,
    newest_gcc=15,
    why="CUDA 13.0: for every driver of CUDA 13 (580 and newer)",
)

CUDA12 = Recipe(
    name="12",
    version="12.4",
    archs=(50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90),
    locks=("cuda12.lock", "cuda12.deb.toml"),
    root="cuda12",
    size_gb=0.8,
    newest_gcc=13,
    why="CUDA 12.4: for drivers from 525 on, and for Pascal and Volta",
)

NEWER = Recipe(
    name="13.4",
    version="13.4",
    archs=(75, 80, 86, 87, 88, 89, 90, 100, 103, 107, 110, 120, 121),
    locks=("cuda13.4.lock",),
    root="nvidia/cu13",
    size_gb=1.2,
    newest_gcc=16,
    why="CUDA 13.4: for glibc 2.42 and newer, and for g++ 16",
)

RECIPES = (DEFAULT, CUDA12, NEWER)


def recipe_named(name: str) -> Recipe:
    """The toolkit that `CUDA=` names.

    Raises:
        BadInput: there is none of this name.
    """
    found = next((recipe for recipe in RECIPES if recipe.name == name), None)
    if found is None:
        raise BadInput(
            f"CUDA={name} names no toolkit that can be put together here",
            hint="; ".join(f"{recipe.name}: {recipe.why}" for recipe in RECIPES)
            + "; for another, name its folder with CUDA_HOME",
        )
    return found
