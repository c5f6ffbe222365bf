"""What a toolkit cannot do with this machine's compilers, said before anything is compiled."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from build_tools.toolkit.arch import ArchList
from build_tools.toolkit.recipes import NEWER
from build_tools.toolkit.toolkit import Toolkit
from llamaproof.errors import BadInput
from llamaproof.process import run

# Functions that C23 adds to glibc's math.h, and that CUDA's headers declare in another way until
# they know that glibc: crt/math_functions.h asks for it by `__GLIBC_PREREQ(2, 42)`.
_ADDED_BY_GLIBC = {41: "cospi, sinpi and others", 42: "rsqrt"}

# nvcc 13.2.0 and 13.2.1 (V13.2.51, V13.2.78) read bytes wrongly in what they compile for sm_120.
_READS_BYTES_WRONGLY = ("13.2.51", "13.2.78")
_BLACKWELL_CONSUMER = (120, 121)

# glibc's and g++'s own names for their releases.
_RELEASES = ("__GNUC__", "__clang__", "__GLIBC__", "__GLIBC_MINOR__")


@dataclass(frozen=True, kw_only=True)
class HostCompiler:
    """The C++ compiler that nvcc hands the host's part of a file to.

    Attributes:
        program: as it is started, `g++`.
        gcc: the major release of GCC that it is, or says it is.
        clang: whether it is clang.
        glibc: the glibc of its headers, `(2, 42)`; None where they are another C library's.
    """

    program: str
    gcc: int
    clang: bool
    glibc: tuple[int, int] | None


def require_fit(toolkit: Toolkit, archs: ArchList, env: Mapping[str, str] = os.environ) -> None:
    """Refuse what is known to fail, or to make wrong code, with words for what to do.

    Args:
        env: where CUDAHOSTCXX may name the C++ compiler for nvcc, as CMake reads it.

    Raises:
        BadInput: this nvcc does not accept this g++, its headers clash with this glibc, or it
            miscompiles for one of the architectures.
    """
    _require_sound_code(toolkit, archs)
    compiler = host_compiler(env.get("CUDAHOSTCXX") or "g++")
    _require_accepted(toolkit, compiler)
    _require_no_clash(toolkit, compiler)


def host_compiler(program: str) -> HostCompiler:
    """Ask a compiler what it is.

    Raises:
        CommandFailed: it cannot be started.
    """
    done = run((program, "-x", "c++", "-E", "-dM", "-include", "stdlib.h", "/dev/null"))
    found = {
        name: int(match.group(1))
        for name in _RELEASES
        if (match := re.search(rf"^#define {name} (\d+)$", done.output, re.MULTILINE))
    }
    major, minor = found.get("__GLIBC__"), found.get("__GLIBC_MINOR__")
    return HostCompiler(
        program=program,
        gcc=found.get("__GNUC__", 0),
        clang="__clang__" in found,
        glibc=(major, minor) if major is not None and minor is not None else None,
    )


def _require_sound_code(toolkit: Toolkit, archs: ArchList) -> None:
    hit = [arch.number for arch in archs.archs if arch.number in _BLACKWELL_CONSUMER]
    if hit and toolkit.build in _READS_BYTES_WRONGLY:
        raise BadInput(
            f"nvcc {toolkit.build} makes code for sm_{hit[0]} that reads bytes wrongly",
            where=toolkit.nvcc,
            hint=f"take CUDA 13.2.2 or newer, such as CUDA={NEWER.name} without CUDA_HOME",
        )


def _require_accepted(toolkit: Toolkit, compiler: HostCompiler) -> None:
    """Let the toolkit's own header judge: it says which releases it does not accept."""
    header = _header(toolkit, "host_config.h")
    if header is None:
        return
    judged = run(
        (compiler.program, "-x", "c++", "-E", "-I", toolkit.root / "include", header), check=False
    )
    words = next((line for line in judged.lines if "#error" in line), None)
    if words is None:
        return
    said = words.partition("#error")[2].split("The nvcc flag")[0].strip(" -!")
    name = "clang" if compiler.clang else f"g++ {compiler.gcc}"
    raise BadInput(
        f"this nvcc, of CUDA {toolkit.version}, does not accept {name}: {said}",
        where=compiler.program,
        hint=_other_compiler(toolkit, compiler),
    )


def _require_no_clash(toolkit: Toolkit, compiler: HostCompiler) -> None:
    header = _header(toolkit, "math_functions.h")
    if header is None or compiler.glibc is None:
        return
    text = header.read_text(encoding="utf-8", errors="replace")
    known = [int(minor) for minor in re.findall(r"_PREREQ\s*\(\s*2\s*,\s*(\d+)\s*\)", text)]
    clashes = [
        minor
        for minor in _ADDED_BY_GLIBC
        if compiler.glibc >= (2, minor) and minor > max(known, default=0)
    ]
    if clashes:
        version = ".".join(map(str, compiler.glibc))
        functions = ", ".join(_ADDED_BY_GLIBC[minor] for minor in clashes)
        raise BadInput(
            f"the headers of CUDA {toolkit.version} and of glibc {version} clash: "
            f"both declare {functions}, each in its own way",
            where=header,
            hint=_other_system(toolkit, min(clashes)),
        )


def _other_compiler(toolkit: Toolkit, compiler: HostCompiler) -> str:
    older = "install an older g++, such as g++-13, and say CUDAHOSTCXX=g++-13"
    if toolkit.major == 13 and not compiler.clang and compiler.gcc <= NEWER.newest_gcc:
        return f"CUDA={NEWER.name} accepts it; or {older}"
    return older


def _other_system(toolkit: Toolkit, minor: int) -> str:
    elsewhere = f"build where glibc is older than 2.{minor}, such as in a container of Debian 12"
    if toolkit.major == 13:
        return f"CUDA={NEWER.name} has headers that know it; or {elsewhere}"
    return f"{elsewhere}; or name a newer toolkit of CUDA {toolkit.major} with CUDA_HOME"


def _header(toolkit: Toolkit, name: str) -> Path | None:
    """A header of the compiler; None where the toolkit keeps it elsewhere, as Debian's does."""
    path = toolkit.root / "include" / "crt" / name
    return path if path.is_file() else None
