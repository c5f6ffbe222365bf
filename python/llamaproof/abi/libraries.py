"""The target's shared libraries: reading them, what they need, and that their symbols resolve."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from llamaproof.abi.claims import Claims
from llamaproof.abi.findings import AbiFinding, defect, note, unchecked
from llamaproof.binary.cuda_libraries import DRIVER, cuda_libraries
from llamaproof.binary.elf import X86_64, Elf, read_elf
from llamaproof.binary.manylinux import PROMISED_LIBRARIES, newest_by_family

_OURS = re.compile(r"^(ggml|gguf|llama|mtmd|clip|llava)_")


def read_libraries(folder: Path) -> tuple[Elf, ...]:
    """Every shared library in a folder, not in those below it, by file name."""
    if not folder.is_dir():
        return ()
    return tuple(read_elf(p) for p in sorted(folder.iterdir()) if _is_shared(p))


def lookups(libraries: Sequence[Elf]) -> dict[str, frozenset[str]]:
    """By library base name (`llama`), every symbol a lookup in it finds, needs included."""
    by_name = {elf.name: elf for elf in libraries} | {elf.path.name: elf for elf in libraries}
    return {
        re.sub(r"^lib|\.so.*$", "", elf.path.name): _reachable_exports(elf, by_name)
        for elf in libraries
    }


def check_libraries(libraries: Sequence[Elf], claims: Claims) -> Iterator[AbiFinding]:
    """The machine they are for, what they need besides each other, and that symbols resolve."""
    for elf in libraries:
        if elf.machine != X86_64:
            yield unchecked(
                "library.machine",
                elf.path.name,
                expected="x86-64",
                found=elf.machine,
                consequence="layouts were compared for x86-64 alone",
            )
    yield from _check_needs(libraries, claims)
    yield from _check_resolution(libraries)


def library_facts(libraries: Sequence[Elf]) -> dict[str, Any]:
    """What the libraries are and need, for the report."""
    return {
        "libraries": {
            elf.path.name: {
                "soname": elf.soname,
                "needed": list(elf.needed),
                "search_path": [*elf.rpath, *elf.runpath],
                "exports": len(elf.exports),
            }
            for elf in libraries
        },
        "newest_symbol_versions": newest_by_family(
            version for elf in libraries for version in elf.needed_versions
        ),
    }


def _is_shared(path: Path) -> bool:
    return path.is_file() and re.search(r"\.so(\.\d+)*$", path.name) is not None


def _reachable_exports(elf: Elf, by_name: Mapping[str, Elf]) -> frozenset[str]:
    reached: dict[str, Elf] = {elf.name: elf}
    pending = [elf]
    while pending:
        for name in pending.pop().needed:
            if name in by_name and name not in reached:
                reached[name] = by_name[name]
                pending.append(by_name[name])
    return frozenset().union(*(one.exports for one in reached.values()))


def _check_needs(libraries: Sequence[Elf], claims: Claims) -> Iterator[AbiFinding]:
    known = PROMISED_LIBRARIES | {DRIVER} | {elf.name for elf in libraries}
    known |= {elf.path.name for elf in libraries}
    promised = any("manylinux" in tag.platform for tag in claims.tags | claims.file_tags)
    for elf in libraries:
        for soname in elf.needed:
            if soname in known or _is_of_cuda(soname):
                continue
            yield (defect if promised else note)(
                "library.needed",
                elf.path.name,
                expected="what the wheel holds or requires, or its platform tag promises"
                if promised
                else "libraries every Linux has",
                found=f"needs {soname}",
                consequence=f"on a system without {soname} it does not load",
            )


def _is_of_cuda(soname: str) -> bool:
    return any(library.cuda_major is not None for library in cuda_libraries([soname]))


def _check_resolution(libraries: Sequence[Elf]) -> Iterator[AbiFinding]:
    by_name = {elf.name: elf for elf in libraries}
    for elf in libraries:
        found = _reachable_exports(elf, by_name)
        elsewhere = [n for n in elf.needed if n not in by_name and n not in elf.versions_by_library]
        for symbol, version in elf.imports.items():
            if version or symbol in found:
                continue
            # A library that is not here and versions nothing may have any name but ours.
            if elsewhere and not _OURS.match(symbol):
                continue
            yield defect(
                "library.undefined",
                elf.path.name,
                expected=f"{symbol} in one of the libraries it needs",
                found="none of them exports it",
                consequence="it does not load, or fails at the first call: libraries of different "
                "builds are mixed",
            )
