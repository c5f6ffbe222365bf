"""The symbol versions that libraries need, against the systems a wheel's tag lets pip put it on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from llamaproof.abi.claims import Claims
from llamaproof.abi.findings import AbiFinding, defect
from llamaproof.binary.elf import Elf
from llamaproof.binary.manylinux import Version, glibc_of, newest_by_family, oldest_platform
from llamaproof.errors import BadInput


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


def _promised_glibc(claims: Claims) -> Version | None:
    """The oldest glibc that pip takes the wheel to run on; None where the tag is no manylinux."""
    promised = (glibc_of(tag.platform) for tag in claims.file_tags | claims.tags)
    return min(filter(None, promised), default=None)


def _needed_glibc(versions: Iterable[str]) -> Version | None:
    try:
        return glibc_of(oldest_platform(versions))
    except BadInput:
        return None


def _newest(versions: Iterable[str]) -> str:
    return ", ".join(f"{f}_{number}" for f, number in newest_by_family(versions).items())
