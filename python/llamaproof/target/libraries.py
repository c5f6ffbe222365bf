"""The libraries of a target that this machine can load, and why there are none."""

from __future__ import annotations

from pathlib import Path

from llamaproof.errors import BadInput
from llamaproof.target.opening import Target

_OTHER_PLATFORMS = {"*.dll": "Windows", "*.dylib": "macOS"}


def linux_libraries(target: Target) -> tuple[Path, ...]:
    """The llama.cpp libraries of a target, each file once whatever names it has.

    Raises:
        BadInput: it has none, or another platform's.
    """
    paths = target.libraries if target.lib_dir.is_dir() else ()
    if not paths:
        raise BadInput(
            _why_none(target), where=target.name, hint="get the build for Linux on x86-64"
        )
    return tuple({path.resolve(): path for path in paths}.values())


def _why_none(target: Target) -> str:
    folder = target.package or target.lib_dir
    for pattern, platform in _OTHER_PLATFORMS.items():
        if next(folder.rglob(pattern), None) is not None:
            return f"the libraries are {platform}'s ({pattern}); only Linux's can be examined"
    return "there are no llama.cpp libraries (no libllama.so, no libggml*.so)"
