"""The CUDA libraries that a target needs: one major version everywhere, and brought by pip."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from llamaproof.abi.claims import Claims
from llamaproof.abi.findings import Finding, defect, note
from llamaproof.binary.elf import Elf

# The first CUDA whose PyPI packages have no number in their name and share one folder.
_UNNUMBERED_FROM = 13


@dataclass(frozen=True, kw_only=True)
class _Package:
    """A PyPI package up to CUDA 12: its name without -cuNN, and its folder below nvidia/."""

    name: str
    folder: str


# Libraries whose soname carries CUDA's own major version; other NVIDIA libraries count their own
# way. Source: the wheels of nvidia-cuda-runtime, -cublas, -cuda-nvrtc and -nvjitlink, 12 and 13.
_PACKAGES: Mapping[str, _Package] = {
    "libcudart": _Package(name="nvidia-cuda-runtime", folder="cuda_runtime"),
    "libcublas": _Package(name="nvidia-cublas", folder="cublas"),
    "libcublasLt": _Package(name="nvidia-cublas", folder="cublas"),
    "libnvrtc": _Package(name="nvidia-cuda-nvrtc", folder="cuda_nvrtc"),
    "libnvJitLink": _Package(name="nvidia-nvjitlink", folder="nvjitlink"),
}


@dataclass(frozen=True, kw_only=True)
class CudaNeed:
    """That a library needs a CUDA library: `libggml-cuda.so` needs `libcudart.so.13`."""

    library: str
    soname: str

    @property
    def major(self) -> int:
        return int(self.soname.partition(".so.")[2].split(".")[0])

    @property
    def package(self) -> str:
        """The PyPI package that brings it."""
        name = _PACKAGES[self.soname.partition(".so.")[0]].name
        return name if self.major >= _UNNUMBERED_FROM else f"{name}-cu{self.major}"

    @property
    def folder(self) -> str:
        """Where that package puts it, below site-packages."""
        if self.major >= _UNNUMBERED_FROM:
            return f"nvidia/cu{self.major}/lib"
        return f"nvidia/{_PACKAGES[self.soname.partition('.so.')[0]].folder}/lib"


def is_cuda_library(soname: str) -> bool:
    """Whether a soname is that of a CUDA library with a major version."""
    stem, _, number = soname.partition(".so.")
    return stem in _PACKAGES and re.match(r"\d+(\.|$)", number) is not None


def cuda_needs(libraries: Sequence[Elf]) -> list[CudaNeed]:
    """The CUDA libraries that are needed and not among the libraries themselves."""
    shipped = {elf.name for elf in libraries} | {elf.path.name for elf in libraries}
    return [
        CudaNeed(library=elf.path.name, soname=soname)
        for elf in libraries
        for soname in elf.needed
        if is_cuda_library(soname) and soname not in shipped
    ]


def requires_nvidia_packages(claims: Claims) -> bool:
    """Whether the wheel has pip bring NVIDIA's libraries."""
    return any(canonicalize_name(r.name).startswith("nvidia-") for r in claims.requires)


def check_cuda_runtime(libraries: Sequence[Elf], claims: Claims) -> Iterator[Finding]:
    """That all needs are of one major version, the one the wheel claims and requires."""
    needs = cuda_needs(libraries)
    if not needs:
        return
    expected, source = claims.cuda_major or _most_common(needs)
    for need in needs:
        if need.major != expected:
            yield defect(
                "library.cuda-major",
                need.library,
                expected=f"CUDA {expected}, by {source}",
                found=f"needs {need.soname}, of CUDA {need.major}",
                consequence=f"where CUDA {expected} is installed {need.soname} is not found, or "
                "two runtimes meet in one process",
            )
    for need in {need.soname: need for need in needs}.values():
        yield from _check_requirement(need, claims)


def _most_common(needs: Sequence[CudaNeed]) -> tuple[int, str]:
    """What most of them agree on stands for the claim nobody made."""
    majors = sorted(need.major for need in needs)
    return max(majors, key=majors.count), "its other CUDA libraries"


def _check_requirement(need: CudaNeed, claims: Claims) -> Iterator[Finding]:
    if not requires_nvidia_packages(claims):
        if claims.dist_info is not None:
            yield note(
                "wheel.requires",
                need.soname,
                expected=f"Requires-Dist: {need.package}",
                found="no NVIDIA package is required",
                consequence="the system has to have it",
            )
        return
    base = need.package.removesuffix(f"-cu{need.major}")
    related = [
        r for r in claims.requires if re.fullmatch(rf"{base}(-cu\d+)?", canonicalize_name(r.name))
    ]
    if not any(_brings(requirement, need) for requirement in related):
        version = f" of version {need.major}" if need.major >= _UNNUMBERED_FROM else ""
        yield defect(
            "wheel.requires",
            need.soname,
            expected=f"Requires-Dist: {need.package}{version}",
            found=", ".join(map(str, related)) or "no such requirement",
            consequence=f"pip installs no {need.soname}: the library does not load",
        )


def _brings(requirement: Requirement, need: CudaNeed) -> bool:
    if canonicalize_name(requirement.name) != need.package:
        return False
    if need.major < _UNNUMBERED_FROM:
        return True
    lower = [s for s in requirement.specifier if s.operator in ("==", ">=", "~=", ">", "===")]
    numbers = {int(s.version.split(".")[0]) for s in lower if s.version[:1].isdigit()}
    return numbers == {need.major} and not requirement.specifier.contains(f"{need.major + 1}.0")
