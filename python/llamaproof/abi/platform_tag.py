"""The symbol versions that libraries need, against the systems a wheel's tag lets pip put it on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from llamaproof.abi.claims import Claims
from llamaproof.abi.findings import AbiFinding, defect
from llamaproof.binary import manylinux
from llamaproof.binary.elf import Elf
from llamaproof.errors import BadInput

# PEP 513, 571 and 599: tags from before the glibc version was in the name.
_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


def check_symbol_versions(libraries: Sequence[Elf], claims: Claims) -> Iterator[AbiFinding]:
    """That no library needs a newer GLIBC, GLIBCXX or CXXABI than the platform tag promises."""
    promised = _promised_glibc(claims)
    if promised is None:
        return
    for elf in libraries:
        needed = _needed_glibc(elf.needed_versions)
        if needed is None or needed > promised:
            yield defect(
                "library.symbol-version",
                elf.path.name,
                expected=f"what manylinux_{promised[0]}_{promised[1]} promises, by the tag",
                found=f"needs {_newest(elf.needed_versions)}"
                + (f": manylinux_{needed[0]}_{needed[1]}" if needed else ": newer than any tag"),
                consequence="pip installs it on systems where it does not load: version not found",
            )


def _promised_glibc(claims: Claims) -> tuple[int, int] | None:
    """The oldest glibc that pip takes the wheel to run on; None where the tag is no manylinux."""
    return min(
        filter(None, (_glibc(t.platform) for t in claims.file_tags | claims.tags)), default=None
    )


def _glibc(platform: str) -> tuple[int, int] | None:
    match = re.match(r"manylinux_(\d+)_(\d+)_", platform)
    if match:
        return int(match.group(1)), int(match.group(2))
    return _LEGACY.get(platform.partition("_")[0])


def _needed_glibc(versions: Iterable[str]) -> tuple[int, int] | None:
    try:
        return _glibc(manylinux.oldest_platform(versions))
    except BadInput:
        return None


def _newest(versions: Iterable[str]) -> str:
    listed = tuple(versions)
    newest = ((f, manylinux.newest(listed, f)) for f in ("GLIBC", "GLIBCXX", "CXXABI"))
    return ", ".join(f"{f}_{'.'.join(map(str, number))}" for f, number in newest if number)
