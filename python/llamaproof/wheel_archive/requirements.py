"""Which requirement of a wheel brings which CUDA library."""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from llamaproof.binary.cuda_libraries import CudaLibrary


def is_about(requirement: Requirement, library: CudaLibrary) -> bool:
    """Whether a requirement names a package that brings the library, for any CUDA."""
    return library.is_package_for_any_cuda(canonicalize_name(requirement.name))


def brings(requirement: Requirement, library: CudaLibrary) -> bool:
    """Whether pip, by this requirement, installs the library that is asked for.

    Args:
        library: one with a `cuda_major`.
    """
    if canonicalize_name(requirement.name) != library.package:
        return False
    if library.package_says_cuda:
        return True
    lower = [s for s in requirement.specifier if s.operator in ("==", ">=", "~=", ">", "===")]
    numbers = {int(s.version.split(".")[0]) for s in lower if s.version[:1].isdigit()}
    return numbers == {library.number} and not requirement.specifier.contains(
        f"{library.number + 1}.0"
    )
