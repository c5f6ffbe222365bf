"""The libraries and symbol versions that manylinux platforms promise."""

from __future__ import annotations

import re
from collections.abc import Iterable

from llamaproof.errors import BadInput

Version = tuple[int, ...]

# (glibc of the manylinux platform, newest symbol version of each family it promises) on x86_64.
# Source: the manylinux policy table of auditwheel 6.8.2.
_POLICIES: tuple[tuple[Version, dict[str, Version]], ...] = (
    ((2, 17), {"GLIBCXX": (3, 4, 19), "CXXABI": (1, 3, 7), "GCC": (4, 8, 0)}),
    ((2, 24), {"GLIBCXX": (3, 4, 22), "CXXABI": (1, 3, 10), "GCC": (4, 8, 0)}),
    ((2, 27), {"GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11), "GCC": (7, 0, 0)}),
    ((2, 31), {"GLIBCXX": (3, 4, 28), "CXXABI": (1, 3, 12), "GCC": (7, 0, 0)}),
    ((2, 34), {"GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13), "GCC": (7, 0, 0)}),
    ((2, 35), {"GLIBCXX": (3, 4, 30), "CXXABI": (1, 3, 13), "GCC": (12, 0, 0)}),
    ((2, 39), {"GLIBCXX": (3, 4, 33), "CXXABI": (1, 3, 15), "GCC": (14, 0, 0)}),
)
_FAMILIES = ("GLIBCXX", "CXXABI", "GCC")

# What every Linux of a manylinux platform has, of those that a compute library can need.
# Source: PEP 513, 571, 599 and 600, and the manylinux policy table of auditwheel.
PROMISED_LIBRARIES = frozenset(
    {
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
)

# PEP 513, 571 and 599: tags from before the glibc version was in the name.
_LEGACY: dict[str, Version] = {
    "manylinux1": (2, 5),
    "manylinux2010": (2, 12),
    "manylinux2014": (2, 17),
}


def parse_symbol_version(name: str) -> tuple[str, Version] | None:
    """`GLIBC_2.34` as ("GLIBC", (2, 34)); None for a name with no number, such as GLIBC_PRIVATE."""
    family, _, number = name.rpartition("_")
    parts = number.split(".")
    if not family or not all(p.isdigit() for p in parts):
        return None
    return family, tuple(map(int, parts))


def newest(names: Iterable[str], family: str) -> Version | None:
    """The newest version of one family among symbol version names; None where none is needed."""
    parsed = (parse_symbol_version(name) for name in names)
    return max((p[1] for p in parsed if p is not None and p[0] == family), default=None)


def newest_by_family(names: Iterable[str]) -> dict[str, str]:
    """The newest needed version of glibc and the C++ runtime: `GLIBC` is `2.34`."""
    listed = tuple(names)
    found = ((family, newest(listed, family)) for family in ("GLIBC", "GLIBCXX", "CXXABI"))
    return {family: ".".join(map(str, number)) for family, number in found if number}


def glibc_of(platform: str) -> Version | None:
    """The glibc that a platform tag promises: (2, 35) by `manylinux_2_35_x86_64`, else None."""
    match = re.match(r"manylinux_(\d+)_(\d+)_", platform)
    if match:
        return int(match.group(1)), int(match.group(2))
    return _LEGACY.get(platform.partition("_")[0])


def oldest_platform(names: Iterable[str]) -> str:
    """The oldest manylinux platform that symbol versions allow, such as manylinux_2_35_x86_64.

    Args:
        names: every symbol version the libraries need: GLIBC_2.34, GLIBCXX_3.4.30, CXXABI_1.3.13.

    Raises:
        BadInput: a C++ runtime newer than any platform promises.
    """
    wanted = tuple(names)
    glibc = max(newest(wanted, "GLIBC") or (2, 17), (2, 17))
    for platform, promised in _POLICIES:
        if all((newest(wanted, f) or (0,)) <= promised[f] for f in _FAMILIES):
            major, minor = max(glibc, platform)[:2]
            return f"manylinux_{major}_{minor}_x86_64"
    raise BadInput(
        "the libraries need a C++ runtime newer than any manylinux platform promises",
        where=", ".join(n for n in wanted if n.startswith(_FAMILIES)),
        hint="build with an older g++",
    )
