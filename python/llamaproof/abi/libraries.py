"""The target's shared libraries: what they need, where they look for it, how old a system may be.

What a manylinux platform promises besides symbol versions is PEP 600's list of libraries.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from llamaproof import manylinux
from llamaproof.abi.claims import Claims
from llamaproof.abi.findings import Finding, Level
from llamaproof.elf import Elf, read_elf
from llamaproof.errors import BadInput

# Sonames whose number is CUDA's own major version, and the package that brings each (without the
# -cuNN of packages up to CUDA 12). Other NVIDIA libraries count their own way.
CUDA_LIBRARIES: Mapping[str, str] = {
    "libcudart": "nvidia-cuda-runtime",
    "libcublas": "nvidia-cublas",
    "libcublasLt": "nvidia-cublas",
    "libnvrtc": "nvidia-cuda-nvrtc",
    "libnvJitLink": "nvidia-nvjitlink",
}
DRIVER_LIBRARY = "libcuda.so.1"

# PEP 600 and the manylinux policies: libraries every Linux of the platform has (those that
# a compute library can need).
_PROMISED = {
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "librt.so.1",
    "libpthread.so.0",
    "libutil.so.1",
    "libresolv.so.2",
    "libnsl.so.1",
    "libgcc_s.so.1",
    "libstdc++.so.6",
    "libatomic.so.1",
    "libz.so.1",
    "libexpat.so.1",
    "ld-linux-x86-64.so.2",
}
_LEGACY_TAGS = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_OURS = re.compile(r"^(ggml|gguf|llama|mtmd|clip|llava)_")
_FAMILIES = ("GLIBC", "GLIBCXX", "CXXABI")


def read_libraries(folder: Path) -> tuple[Elf, ...]:
    """Every shared library in a folder, not in those below it, by file name."""
    if not folder.is_dir():
        return ()
    return tuple(read_elf(p) for p in sorted(folder.iterdir()) if _is_shared(p))


def lookups(libraries: Sequence[Elf]) -> dict[str, frozenset[str]]:
    """By library base name (`llama`), every symbol a lookup in it finds, needs included."""
    by_name = {elf.name: elf for elf in libraries} | {elf.path.name: elf for elf in libraries}
    return {
        re.sub(r"^lib|\.so.*$", "", elf.path.name): _closure_exports(elf, by_name)
        for elf in libraries
    }


def check_libraries(libraries: Sequence[Elf], claims: Claims) -> Iterator[Finding]:
    """Machine, CUDA versions, needs, search paths, symbol versions, and that symbols resolve."""
    for elf in libraries:
        if elf.machine != "EM_X86_64":
            yield _finding(
                "unchecked",
                "library.machine",
                elf.path.name,
                "x86-64",
                elf.machine,
                "layouts were compared for x86-64 alone",
            )
    yield from _check_cuda_majors(libraries, claims)
    yield from _check_needs(libraries, claims)
    yield from _check_search_paths(libraries, claims)
    yield from _check_symbol_versions(libraries, claims)
    yield from _check_resolution(libraries)


def library_facts(libraries: Sequence[Elf]) -> dict[str, Any]:
    """What the libraries need, for the report."""
    versions = [v for elf in libraries for v in elf.needed_versions]
    return {
        "libraries": {
            elf.path.name: {
                "soname": elf.soname,
                "needed": list(elf.needed),
                "runpath": [*elf.rpath, *elf.runpath],
                "exports": len(elf.exports),
            }
            for elf in libraries
        },
        "newest_symbol_versions": {
            family: ".".join(map(str, newest))
            for family in _FAMILIES
            if (newest := manylinux.newest(versions, family)) is not None
        },
    }


def _is_shared(path: Path) -> bool:
    return path.is_file() and re.search(r"\.so(\.\d+)*$", path.name) is not None


def _closure_exports(elf: Elf, by_name: Mapping[str, Elf]) -> frozenset[str]:
    reached: dict[str, Elf] = {elf.name: elf}
    pending = [elf]
    while pending:
        for name in pending.pop().needed:
            if name in by_name and name not in reached:
                reached[name] = by_name[name]
                pending.append(by_name[name])
    return frozenset().union(*(one.exports for one in reached.values()))


# -- CUDA ---------------------------------------------------------------------------------------


def cuda_needs(libraries: Sequence[Elf]) -> list[tuple[Elf, str, int]]:
    """Which library needs which CUDA library of which major version."""
    found = []
    for elf in libraries:
        for soname in elf.needed:
            stem, _, number = soname.partition(".so.")
            if stem in CUDA_LIBRARIES and number:
                found.append((elf, soname, int(number.split(".")[0])))
    return found


def _check_cuda_majors(libraries: Sequence[Elf], claims: Claims) -> Iterator[Finding]:
    needs = cuda_needs(libraries)
    if not needs:
        return
    claimed = claims.cuda_major
    if claimed is None:
        majors = sorted(major for _, _, major in needs)
        # The version most of them agree on stands for the claim nobody made.
        claimed = max(majors, key=majors.count), "its other CUDA libraries"
    expected, source = claimed
    for elf, soname, major in needs:
        if major != expected:
            yield _finding(
                "defect",
                "library.cuda-major",
                elf.path.name,
                f"CUDA {expected}, by {source}",
                f"needs {soname}, of CUDA {major}",
                f"where CUDA {expected} is installed {soname} is not found, or two runtimes are "
                "loaded into one process",
            )
    yield from _check_requirements(needs, claims)


def _check_requirements(needs: Sequence[tuple[Elf, str, int]], claims: Claims) -> Iterator[Finding]:
    packages = {
        p for r in claims.requires if (p := canonicalize_name(r.name)).startswith("nvidia-")
    }
    shipped = {elf.name for elf, _, _ in needs}
    for soname, major in sorted({(soname, major) for _, soname, major in needs}):
        if soname in shipped:
            continue
        base = CUDA_LIBRARIES[soname.partition(".so.")[0]]
        if not packages:
            if claims.dist_info is not None:
                yield _finding(
                    "note",
                    "wheel.requires",
                    soname,
                    f"Requires-Dist on {base}",
                    "no NVIDIA package is required",
                    "the system has to have it",
                )
            continue
        yield from _check_requirement(soname, major, base, claims.requires)


def _check_requirement(
    soname: str, major: int, base: str, requires: Sequence[Requirement]
) -> Iterator[Finding]:
    wanted = f"{base}-cu{major}" if major < 13 else base
    found = [r for r in requires if re.fullmatch(rf"{base}(-cu\d+)?", canonicalize_name(r.name))]
    right = [r for r in found if canonicalize_name(r.name) == wanted]
    # From CUDA 13 on the package has no number in its name: its version has to say it.
    if major >= 13:
        right = [r for r in right if _admits_only(r, major)]
    if not right:
        yield _finding(
            "defect",
            "wheel.requires",
            soname,
            f"Requires-Dist: {wanted}" + (f" of major version {major}" if major >= 13 else ""),
            ", ".join(map(str, found)) or "no such requirement",
            f"pip installs no {soname}: the library does not load",
        )


def _admits_only(requirement: Requirement, major: int) -> bool:
    lower = [s for s in requirement.specifier if s.operator in ("==", ">=", "~=", ">", "===")]
    numbers = {int(s.version.split(".")[0]) for s in lower if s.version[:1].isdigit()}
    if numbers != {major}:
        return False
    return not requirement.specifier.contains(f"{major + 1}.0")


# -- needs and search paths -----------------------------------------------------------------------


def _check_needs(libraries: Sequence[Elf], claims: Claims) -> Iterator[Finding]:
    shipped = {elf.name for elf in libraries} | {elf.path.name for elf in libraries}
    promised = any("manylinux" in tag.platform for tag in claims.tags | claims.file_tags)
    for elf in libraries:
        for soname in elf.needed:
            known = soname in shipped or soname in _PROMISED or soname == DRIVER_LIBRARY
            if known or soname.partition(".so.")[0] in CUDA_LIBRARIES:
                continue
            yield _finding(
                "defect" if promised else "note",
                "library.needed",
                elf.path.name,
                "libraries of the wheel, of its requirements, or promised by its platform tag"
                if promised
                else "libraries every Linux has",
                f"needs {soname}",
                f"on a system without {soname} it does not load",
            )


def _check_search_paths(libraries: Sequence[Elf], claims: Claims) -> Iterator[Finding]:
    by_name = {elf.name: elf for elf in libraries}
    brought = any(canonicalize_name(r.name).startswith("nvidia-") for r in claims.requires)
    for elf in libraries:
        folders = [*elf.rpath, *elf.runpath]
        for folder in folders:
            if not re.match(r"\$(ORIGIN|\{ORIGIN\})(/|$)", folder):
                yield _finding(
                    "defect",
                    "library.rpath",
                    elf.path.name,
                    "paths relative to the library, from $ORIGIN",
                    folder,
                    "a folder of the machine it was built on: absent elsewhere, or somebody's own",
                )
        here = {posixpath.normpath(_below_origin(folder)) for folder in folders}
        beside = [name for name in elf.needed if name in by_name]
        if beside and "." not in here:
            yield _finding(
                "defect",
                "library.rpath",
                elf.path.name,
                "$ORIGIN among its search paths",
                ", ".join(folders) or "no search path",
                f"{beside[0]} lies beside it and is not looked for there: it does not load",
            )
        cuda = [n for n in elf.needed if n.partition(".so.")[0] in CUDA_LIBRARIES]
        if brought and cuda and cuda[0] not in by_name and not any("nvidia/" in f for f in folders):
            yield _finding(
                "defect",
                "library.rpath",
                elf.path.name,
                "a relative path to the nvidia packages it requires",
                ", ".join(folders) or "no search path",
                f"{cuda[0]} is installed by pip and not found: it does not load",
            )


def _below_origin(folder: str) -> str:
    return re.sub(r"^\$(ORIGIN|\{ORIGIN\})/?", "./", folder)


# -- symbols --------------------------------------------------------------------------------------


def promised_glibc(claims: Claims) -> tuple[int, int] | None:
    """The oldest glibc the wheel's platform tags promise to run on; None without a promise."""
    versions = []
    for tag in claims.file_tags | claims.tags:
        match = re.match(r"manylinux_(\d+)_(\d+)_", tag.platform)
        legacy = _LEGACY_TAGS.get(tag.platform.partition("_")[0])
        if match:
            versions.append((int(match.group(1)), int(match.group(2))))
        elif legacy:
            versions.append(legacy)
    return min(versions, default=None)


def _check_symbol_versions(libraries: Sequence[Elf], claims: Claims) -> Iterator[Finding]:
    promised = promised_glibc(claims)
    if promised is None:
        return
    for elf in libraries:
        try:
            platform = manylinux.oldest_platform(elf.needed_versions)
        except BadInput as error:
            platform, needs = "", error.where
        else:
            needs = _newest_needs(elf.needed_versions)
        match = re.match(r"manylinux_(\d+)_(\d+)_", platform)
        allowed = (int(match.group(1)), int(match.group(2))) if match else (99, 99)
        if allowed > promised:
            yield _finding(
                "defect",
                "library.symbol-version",
                elf.path.name,
                f"the tag promises glibc {promised[0]}.{promised[1]} and its C++ runtime",
                f"needs {needs}" + (f": {platform}" if platform else ""),
                "pip installs it on systems where it does not load: version not found",
            )


def _newest_needs(versions: Iterable[str]) -> str:
    listed = tuple(versions)
    newest = ((family, manylinux.newest(listed, family)) for family in _FAMILIES)
    return ", ".join(f"{f}_{'.'.join(map(str, number))}" for f, number in newest if number)


def _check_resolution(libraries: Sequence[Elf]) -> Iterator[Finding]:
    by_name = {elf.name: elf for elf in libraries}
    for elf in libraries:
        found = _closure_exports(elf, by_name)
        outside = [n for n in elf.needed if n not in by_name and n not in elf.versions_by_library]
        for symbol, version in elf.imports.items():
            if version or symbol in found:
                continue
            # A library that is not here and versions nothing may have any name but ours.
            if outside and not _OURS.match(symbol):
                continue
            yield _finding(
                "defect",
                "library.undefined",
                elf.path.name,
                f"{symbol} in one of the libraries it needs",
                "none of them exports it",
                "the library does not load, or fails at the first call: libraries of different "
                "builds are mixed",
            )


def _finding(
    level: Level, code: str, where: str, expected: str, found: str, consequence: str
) -> Finding:
    return Finding(
        level=level,
        code=code,
        where=where,
        expected=expected,
        found=found,
        consequence=consequence,
    )
