"""The CUDA libraries that a target needs: one major version everywhere, and brought by pip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from llamaproof.abi.claims import Claims
from llamaproof.abi.findings import AbiFinding, defect, note
from llamaproof.binary.cuda_libraries import CudaLibrary, parse_soname
from llamaproof.binary.elf import Elf
from llamaproof.wheel_archive.requirements import brings, is_about


@dataclass(frozen=True, kw_only=True)
class CudaDependency:
    """That a library needs a CUDA library: `libggml-cuda.so` needs `libcudart.so.13`."""

    library: str
    cuda: CudaLibrary
    major: int


def cuda_dependencies(libraries: Sequence[Elf]) -> list[CudaDependency]:
    """The CUDA libraries that are needed and not among the libraries themselves.

    Those alone whose number is that of their CUDA: no package of pip brings the driver.
    """
    shipped = {elf.name for elf in libraries} | {elf.path.name for elf in libraries}
    return [
        CudaDependency(library=elf.path.name, cuda=cuda, major=cuda.cuda_major)
        for elf in libraries
        for cuda in map(parse_soname, elf.needed)
        if cuda is not None and cuda.cuda_major is not None and cuda.soname not in shipped
    ]


def requires_nvidia_packages(claims: Claims) -> bool:
    """Whether the wheel has pip bring NVIDIA's libraries."""
    return any(canonicalize_name(r.name).startswith("nvidia-") for r in claims.requires)


def check_cuda_runtime(libraries: Sequence[Elf], claims: Claims) -> Iterator[AbiFinding]:
    """That all needs are of one major version, the one the wheel claims and requires."""
    needs = cuda_dependencies(libraries)
    if not needs:
        return
    expected, source = claims.cuda_major or _most_common(needs)
    for need in needs:
        if need.major != expected:
            yield defect(
                "library.cuda-major",
                need.library,
                expected=f"CUDA {expected}, by {source}",
                found=f"needs {need.cuda.soname}, of CUDA {need.major}",
                consequence=f"where CUDA {expected} is installed {need.cuda.soname} is not found, "
                "or two runtimes meet in one process",
            )
    for need in {need.cuda.soname: need for need in needs}.values():
        yield from _check_requirement(need, claims)


def _most_common(needs: Sequence[CudaDependency]) -> tuple[int, str]:
    """What most of them agree on stands for the claim nobody made."""
    majors = sorted(need.major for need in needs)
    return max(majors, key=majors.count), "its other CUDA libraries"


def _check_requirement(need: CudaDependency, claims: Claims) -> Iterator[AbiFinding]:
    if not requires_nvidia_packages(claims):
        if claims.dist_info is not None:
            yield note(
                "wheel.requires",
                need.cuda.soname,
                expected=f"Requires-Dist: {need.cuda.package}",
                found="no NVIDIA package is required",
                consequence="the system has to have it",
            )
        return
    related = [r for r in claims.requires if is_about(r, need.cuda)]
    if not any(brings(requirement, need.cuda) for requirement in related):
        version = "" if need.cuda.package_says_cuda else f" of version {need.major}"
        yield defect(
            "wheel.requires",
            need.cuda.soname,
            expected=f"Requires-Dist: {need.cuda.package}{version}",
            found=", ".join(map(str, related)) or "no such requirement",
            consequence=f"pip installs no {need.cuda.soname}: the library does not load",
        )
