"""A CUDA toolkit: the pinned one from PyPI, or the one that CUDA_HOME names."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from build_tools.toolkit.arch import PINNED_TOOLKIT_ARCHS
from build_tools.toolkit.pinned import PINNED_VERSION, install_pinned
from llamaproof.errors import BadInput
from llamaproof.process import run


@dataclass(frozen=True, kw_only=True)
class Toolkit:
    """A toolkit that can compile.

    Attributes:
        root: the folder with bin/nvcc and include.
        version: as nvcc says it, `13.0`.
        archs: the architectures its nvcc knows.
        pinned: whether it is ours from PyPI; else the user's own.
    """

    root: Path
    version: str
    archs: tuple[int, ...]
    pinned: bool

    @property
    def nvcc(self) -> Path:
        return self.root / "bin" / "nvcc"

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def ensure_toolkit(checkout: Path) -> Toolkit:
    """The toolkit to build with: CUDA_HOME's where that is set, else the pinned one, installed.

    Raises:
        BadInput: CUDA_HOME holds no toolkit.
        CommandFailed: the pinned one could not be installed; nothing half-done is left.
    """
    home = os.environ.get("CUDA_HOME")
    return _toolkit_of_user(Path(home)) if home else pinned_toolkit(checkout)


def known_archs() -> tuple[int, ...]:
    """The architectures that `ensure_toolkit`'s toolkit compiles for; installs nothing.

    Raises:
        BadInput: CUDA_HOME holds no toolkit.
    """
    home = os.environ.get("CUDA_HOME")
    return _toolkit_of_user(Path(home)).archs if home else PINNED_TOOLKIT_ARCHS


def pinned_toolkit(checkout: Path) -> Toolkit:
    """The toolkit of requirements/cuda13.lock, installed under build/ if it is not there yet."""
    root = install_pinned(checkout)
    return Toolkit(root=root, version=PINNED_VERSION, archs=PINNED_TOOLKIT_ARCHS, pinned=True)


def nvcc_version(nvcc: Path) -> str:
    """The release that nvcc states, as `12.8`."""
    output = run((nvcc, "--version")).output
    match = re.search(r"release (\d+\.\d+)", output)
    if match is None:
        raise BadInput("nvcc does not say its release", where=nvcc, hint=output[-200:])
    return match.group(1)


def _toolkit_of_user(home: Path) -> Toolkit:
    nvcc = home / "bin" / "nvcc"
    if not nvcc.is_file():
        raise BadInput(
            "CUDA_HOME names no CUDA toolkit: there is no bin/nvcc",
            where=home,
            hint="name the folder of a whole toolkit, or unset CUDA_HOME to use the pinned one",
        )
    listed = run((nvcc, "--list-gpu-arch")).output
    archs = tuple(sorted(int(n) for n in re.findall(r"^compute_(\d+)$", listed, re.MULTILINE)))
    return Toolkit(root=home, version=nvcc_version(nvcc), archs=archs, pinned=False)
