"""The CUDA libraries that a build asks for: their names, who brings them, where they are found.

Source of the packages and folders: the wheels of nvidia-cuda-runtime, nvidia-cublas,
nvidia-cuda-nvrtc and nvidia-nvjitlink for CUDA 12 and 13.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

DRIVER = "libcuda.so.1"

# The first CUDA whose PyPI packages have no number in their name and share one folder.
_UNNUMBERED_FROM = 13


@dataclass(frozen=True, kw_only=True)
class _Package:
    """A PyPI package up to CUDA 12: its name without -cuNN, and its folder below nvidia/."""

    name: str
    folder: str


# In load order: a library comes after those it would itself ask for.
_LOAD_ORDER = ("cuda", "cudart", "nvJitLink", "nvrtc", "cublasLt", "cublas", "nccl")

# Those whose soname carries CUDA's own major version; the driver and NCCL count their own way.
_PACKAGES: Mapping[str, _Package] = {
    "cudart": _Package(name="nvidia-cuda-runtime", folder="cuda_runtime"),
    "cublas": _Package(name="nvidia-cublas", folder="cublas"),
    "cublasLt": _Package(name="nvidia-cublas", folder="cublas"),
    "nvrtc": _Package(name="nvidia-cuda-nvrtc", folder="cuda_nvrtc"),
    "nvJitLink": _Package(name="nvidia-nvjitlink", folder="nvjitlink"),
}

# As linked, or as auditwheel renames what it bundles: libcudart-9f3b1c2d.so.12.8.90
SONAME = re.compile(
    rf"lib(?P<name>{'|'.join(_LOAD_ORDER)})(?:-[0-9a-f]+)?\.so\.(?P<number>\d+)(?:\.\d+)*"
)


@dataclass(frozen=True, kw_only=True)
class CudaLibrary:
    """A CUDA library that something needs.

    Attributes:
        name: without `lib`, as in `cudart`.
        number: the first behind `.so.`.
        soname: as it is asked for.
    """

    name: str
    number: int
    soname: str

    @classmethod
    def of_cuda(cls, name: str, major: int) -> CudaLibrary:
        """The library of this name that comes with a major version of CUDA."""
        return cls(name=name, number=major, soname=f"lib{name}.so.{major}")

    @property
    def plain_soname(self) -> str:
        """The name NVIDIA gives it, whatever a wheel that bundles it has made of that."""
        return f"lib{self.name}.so.{self.number}"

    @property
    def cuda_major(self) -> int | None:
        """The CUDA it is of; None where its number is its own (the driver, NCCL)."""
        return self.number if self.name in _PACKAGES else None

    @property
    def package(self) -> str:
        """The PyPI package that brings it; only for a library with a `cuda_major`."""
        name = _PACKAGES[self.name].name
        return f"{name}-cu{self.number}" if self.package_says_cuda else name

    @property
    def package_says_cuda(self) -> bool:
        """Whether that package's name says the CUDA it is of: nvidia-cublas-cu12, nvidia-cublas."""
        return self.number < _UNNUMBERED_FROM

    def is_package_for_any_cuda(self, name: str) -> bool:
        """Whether a PyPI package, by its canonical name, brings it for this or another CUDA."""
        return re.fullmatch(rf"{_PACKAGES[self.name].name}(-cu\d+)?", name) is not None

    @property
    def folder(self) -> str:
        """Where that package puts it, below site-packages."""
        if self.package_says_cuda:
            return f"nvidia/{_PACKAGES[self.name].folder}/lib"
        return f"nvidia/cu{self.number}/lib"


def needed_by_build(major: int) -> tuple[CudaLibrary, CudaLibrary]:
    """What libggml-cuda is linked to beside the driver: cudart and cublas of one CUDA."""
    return CudaLibrary.of_cuda("cudart", major), CudaLibrary.of_cuda("cublas", major)


def parse_soname(soname: str) -> CudaLibrary | None:
    """The CUDA library of this soname; None for any other library."""
    match = SONAME.fullmatch(soname)
    if match is None:
        return None
    return CudaLibrary(name=match["name"], number=int(match["number"]), soname=soname)


def cuda_libraries(sonames: Iterable[str]) -> tuple[CudaLibrary, ...]:
    """The CUDA libraries among sonames, each once, in the order they can be loaded in."""
    found = (parse_soname(soname) for soname in sorted(set(sonames)))
    return tuple(
        sorted((c for c in found if c is not None), key=lambda c: _LOAD_ORDER.index(c.name))
    )


def installed_copies(library: CudaLibrary) -> Iterator[Path]:
    """Where a library lies that pip or a toolkit brought, the first choice first.

    Args:
        library: one with a `cuda_major`.
    """
    folders = [Path(entry) / library.folder for entry in sys.path]
    homes = (os.environ.get("CUDA_HOME"), "/usr/local/cuda")
    folders += [Path(home) / "lib64" for home in homes if home]
    yield from (path for folder in folders if (path := folder / library.soname).is_file())
