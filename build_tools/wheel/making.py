"""What makes a wheel, as the wheel says it: source, compilers, lock files, toolkit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from build_tools.pin.definition import Pin
from build_tools.toolkit.packages import packages_of
from build_tools.toolkit.toolkit import Toolkit
from build_tools.wheel.compiler import cxx
from build_tools.wheel.environment import wheel_environment
from llamaproof.errors import LlamaproofError
from llamaproof.files import sha256_of
from llamaproof.process import run
from llamaproof.wheel_contents import Making, Sdist


def how_made(checkout: Path, pin: Pin, toolkit: Toolkit | None, *, not_reproducible: str) -> Making:
    """The facts of a build from a pin, with an installed toolkit or without CUDA.

    Args:
        not_reproducible: why another build may give other bytes; empty where none can.

    Raises:
        LlamaproofError: a compiler does not say its version, or a package's hash is not known.
    """
    recipe = None if toolkit is None else toolkit.recipe
    return Making(
        sdist=Sdist(file=pin.sdist_file, sha256=pin.sdist_sha256, size=pin.sdist_size),
        made_with=made_with(None if toolkit is None else toolkit.nvcc),
        locks=lock_hashes(checkout, toolkit),
        toolkit=() if recipe is None else packages_of(checkout, recipe),
        reproducible=not_reproducible or True,
    )


def lock_hashes(checkout: Path, toolkit: Toolkit | None) -> dict[str, str]:
    """The lock files whose packages take part in a build, by name, and their SHA-256."""
    recipe = None if toolkit is None else toolkit.recipe
    files = [checkout / "requirements" / "env.lock"]
    files += [] if recipe is None else recipe.lock_files(checkout)
    return {path.name: sha256_of(path) for path in sorted(files)}


def made_with(nvcc: Path | None) -> Mapping[str, str]:
    """What the compilers, the linker, the C library and nvcc say they are, a line of each.

    Raises:
        LlamaproofError: one of them says nothing.
    """
    env = wheel_environment(os.environ)
    linker = run((cxx(), "-print-prog-name=ld")).output.strip()
    words = {
        "cc": _words((env["CC"], "--version")),
        "c++": _words((cxx(), "--version")),
        "ld": _words((linker, "--version")),
        "glibc": _words(("ldd", "--version")),
    }
    if nvcc is not None:
        words["nvcc"] = _words((str(nvcc), "--version"), start="Cuda compilation tools")
        if host := env.get("CUDAHOSTCXX"):
            words["c++ of nvcc"] = _words((host, "--version"))
    return words


def _words(command: Sequence[str], *, start: str = "") -> str:
    """The first line that begins so."""
    found = _first(run(command, env=wheel_environment(os.environ)).lines, start)
    if found is None:
        raise LlamaproofError(
            "a compiler does not say its version", where=" ".join(command), hint="is it one?"
        )
    return found


def _first(lines: Iterable[str], start: str) -> str | None:
    return next((line.strip() for line in lines if line.strip() and line.startswith(start)), None)
