"""Where the libraries look for what they need: relative paths alone, and the right ones."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from llamaproof.abi.claims import Claims
from llamaproof.abi.cuda_runtime import cuda_dependencies, requires_nvidia_packages
from llamaproof.abi.findings import AbiFinding, defect
from llamaproof.binary.elf import Elf

_ORIGIN = re.compile(r"^\$(ORIGIN|\{ORIGIN\})(/|$)")


def check_search_paths(
    libraries: Sequence[Elf], claims: Claims, *, depth: int
) -> Iterator[AbiFinding]:
    """Check every library's RPATH and RUNPATH.

    Args:
        libraries: of the target, all in one folder.
        claims: for the NVIDIA packages it requires.
        depth: folders between site-packages and the libraries: 2 for llama_cpp/lib.
    """
    for elf in libraries:
        yield from _check_relative(elf)
        yield from _check_beside(elf, {other.name for other in libraries})
    if requires_nvidia_packages(claims):
        yield from _check_nvidia(libraries, depth)


def _check_relative(elf: Elf) -> Iterator[AbiFinding]:
    for folder in (*elf.rpath, *elf.runpath):
        if not _ORIGIN.match(folder):
            yield defect(
                "library.rpath",
                elf.path.name,
                expected="paths relative to the library, from $ORIGIN",
                found=folder,
                consequence="a folder of the build machine: absent elsewhere, or somebody's own",
            )


def _check_beside(elf: Elf, names: set[str]) -> Iterator[AbiFinding]:
    beside = [name for name in elf.needed if name in names]
    if beside and "." not in _folders(elf):
        yield defect(
            "library.rpath",
            elf.path.name,
            expected="$ORIGIN among its search paths",
            found=_as_written(elf),
            consequence=f"{beside[0]} lies beside it and is not looked for: it does not load",
        )


def _check_nvidia(libraries: Sequence[Elf], depth: int) -> Iterator[AbiFinding]:
    by_file = {elf.path.name: elf for elf in libraries}
    for need in cuda_dependencies(libraries):
        elf = by_file[need.library]
        folder = posixpath.join(*[".."] * depth, need.cuda.folder)
        if folder not in _folders(elf):
            yield defect(
                "library.rpath",
                elf.path.name,
                expected=f"$ORIGIN/{folder} among its search paths",
                found=_as_written(elf),
                consequence=f"pip puts {need.cuda.soname} there and it is not found: no GPU",
            )


def _folders(elf: Elf) -> set[str]:
    """Its relative search paths, as seen from its own folder."""
    relative = (f for f in (*elf.rpath, *elf.runpath) if _ORIGIN.match(f))
    return {posixpath.normpath(_ORIGIN.sub("./", folder)) for folder in relative}


def _as_written(elf: Elf) -> str:
    return ":".join((*elf.rpath, *elf.runpath)) or "no search path"
