"""The CUDA toolkit of requirements/cuda13.lock, installed from PyPI and made whole."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from build_tools.progress import of_pip, show
from build_tools.toolkit.driver_stub import build_driver_stub
from llamaproof.errors import LlamaproofError
from llamaproof.process import run

PINNED_VERSION = "13.0"


def pinned_toolkit_root(checkout: Path) -> Path:
    """Where the pinned toolkit is, or will be."""
    digest = hashlib.sha256((checkout / "requirements" / "cuda13.lock").read_bytes()).hexdigest()
    return checkout / "build" / "toolkit" / f"cuda13-{digest[:12]}"


def install_pinned(checkout: Path) -> Path:
    """The toolkit's root, under build/; installed there if it is not yet.

    Raises:
        CommandFailed: it could not be installed; nothing half-done is left.
    """
    folder = pinned_toolkit_root(checkout)
    if not folder.exists():
        _install(checkout, folder)
    return folder / "nvidia" / "cu13"


def _install(checkout: Path, folder: Path) -> None:
    """Install to a folder beside it and rename it at the end."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    show(f"toolkit: installing CUDA {PINNED_VERSION} (about 0.9 GB unpacked)")
    command = (
        sys.executable, "-m", "pip", "install", "--require-hashes", "--no-deps",
        "--only-binary", ":all:", "--disable-pip-version-check", "--no-compile",
        "--target", str(partial), "-r", str(checkout / "requirements" / "cuda13.lock"),
    )  # fmt: skip
    try:
        run(command, on_line=of_pip(show))
        _complete(partial / "nvidia" / "cu13")
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _complete(root: Path) -> None:
    """Add what a toolkit has and the wheels lack: lib*.so links, lib64, the driver's stub."""
    lib = root / "lib"
    for versioned in sorted(lib.glob("lib*.so.*")):
        plain = lib / (versioned.name.split(".so.")[0] + ".so")
        if not plain.exists():
            plain.symlink_to(versioned.name)
    (root / "lib64").symlink_to("lib")
    stubs = lib / "stubs"
    stubs.mkdir()
    build_driver_stub(stubs / "libcuda.so")
    for name in ("nvcc", "ptxas", "cudafe++", "fatbinary", "nvlink"):
        program = root / "bin" / name
        if not program.is_file():
            raise LlamaproofError(f"the installed toolkit lacks {name}", where=program)
        program.chmod(0o755)
