"""What two machines must have in common for their answers to be the same, to the last digit."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from llamaproof import __version__
from llamaproof.native import NATIVE

_PACKAGE = Path(__file__).resolve().parents[1]
_DATA = (".py", ".toml", ".json")
_SETS = ("sse4", "avx", "fma", "f16c", "amx")


@dataclass(frozen=True, kw_only=True)
class Build:
    """What examines a target on a machine.

    Attributes:
        llamaproof: its version.
        code: SHA-256 of its modules and data, in short: two checkouts may have one version.
        native: SHA-256 of its native libraries, in short.
        python: implementation and version, without the last number.
        numpy: its version; it draws the inputs.
        c_library: name and version; kernels and the CPU backend call its functions.
        machine: the architecture.
    """

    llamaproof: str
    code: str
    native: str
    python: str
    numpy: str
    c_library: str
    machine: str


def build_here() -> Build:
    """What this process would examine a target with."""
    code = (path for path in _PACKAGE.rglob("*") if path.suffix in _DATA and not _is_native(path))
    native = (path for path in NATIVE.rglob("*") if path.is_file())
    major, minor, _ = platform.python_version_tuple()
    return Build(
        llamaproof=__version__,
        code=_digest(code),
        native=_digest(native),
        python=f"{platform.python_implementation()} {major}.{minor}",
        numpy=np.__version__,
        c_library=" ".join(platform.libc_ver()),
        machine=platform.machine(),
    )


def cpu_here() -> str:
    """The CPU's maker, and the instruction sets by which numerical libraries choose their code.

    numpy's matrix products, and so the exact results that errors are measured against, differ in
    their last digits from one to the other: by 1e-11 of an error.
    """
    path = Path("/proc/cpuinfo")
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    found = dict.fromkeys(("vendor_id", "flags"), "")
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in found and not found[name.strip()]:
            found[name.strip()] = value.strip()
    sets = [flag for flag in found["flags"].split() if flag.startswith(_SETS)]
    return " ".join((found["vendor_id"] or platform.machine(), *sorted(sets)))


def differences(ours: Build, theirs: Build) -> str:
    """What differs, in words; empty where nothing does."""
    words = {"native": "native libraries", "c_library": "C library", "code": "llamaproof's code"}
    return ", ".join(
        f"{words.get(name, name)} {other} and not {own}"
        for (name, own), other in zip(asdict(ours).items(), asdict(theirs).values(), strict=True)
        if own != other
    )


def _is_native(path: Path) -> bool:
    return NATIVE in path.parents


def _digest(paths: Iterable[Path]) -> str:
    """Of names and contents together."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]
