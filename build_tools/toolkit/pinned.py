"""A toolkit of the lock files, put together under build/: whole, or not at all."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from build_tools.progress import of_pip, show
from build_tools.sole_use import sole_use
from build_tools.toolkit.cuda12 import assemble
from build_tools.toolkit.debian import DEB_CACHE, fetch_deb, load_package
from build_tools.toolkit.driver_stub import build_driver_stub
from build_tools.toolkit.recipes import Recipe
from llamaproof.errors import LlamaproofError
from llamaproof.process import run

_PROGRAMS = ("nvcc", "ptxas", "cudafe++", "fatbinary", "nvlink", "cuobjdump")


def install_pinned(checkout: Path, recipe: Recipe, deb: Path | None = None) -> Path:
    """The toolkit's root, under build/; installed there if it is not yet.

    Args:
        deb: Debian's package, for a recipe that takes one, where apt is not to bring it.

    Raises:
        CommandFailed, LlamaproofError: it could not be installed; nothing half-done is left.
    """
    folder = recipe.folder(checkout)
    with sole_use(folder, show):
        if not folder.exists():
            _install(checkout, recipe, folder, deb)
    return folder / recipe.root


def _install(checkout: Path, recipe: Recipe, folder: Path, deb: Path | None) -> None:
    """Install to a folder beside it and rename it at the end."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    show(f"toolkit: installing CUDA {recipe.version} (about {recipe.size_gb} GB unpacked)")
    try:
        for lock in recipe.lock_files(checkout):
            if lock.suffix == ".lock":
                _install_packages(lock, partial)
            else:
                package = load_package(lock)
                fetched = fetch_deb(package, checkout / DEB_CACHE, deb, show)
                assemble(partial, fetched, partial / recipe.root)
        _complete(partial / recipe.root)
        partial.rename(folder)
    except OSError as error:
        raise LlamaproofError(
            f"the toolkit could not be installed: {error.strerror or error}",
            where=partial,
            hint=f"it needs about {recipe.size_gb * 2:.1f} GB while it is installed",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _install_packages(lock: Path, folder: Path) -> None:
    command = (
        sys.executable, "-m", "pip", "install", "--require-hashes", "--no-deps",
        "--only-binary", ":all:", "--disable-pip-version-check", "--no-compile",
        "--target", str(folder), "-r", str(lock),
    )  # fmt: skip
    run(command, on_line=of_pip(show))


def _complete(root: Path) -> None:
    """Add what a toolkit has and the packages lack: lib*.so links, lib64, the driver's stub."""
    lib = root / "lib"
    for versioned in sorted(lib.glob("lib*.so.*")):
        plain = lib / (versioned.name.split(".so.")[0] + ".so")
        if not plain.exists():
            plain.symlink_to(versioned.name)
    (root / "lib64").symlink_to("lib")
    stubs = lib / "stubs"
    stubs.mkdir()
    build_driver_stub(stubs / "libcuda.so")
    for name in _PROGRAMS:
        program = root / "bin" / name
        if not program.is_file():
            raise LlamaproofError(f"the installed toolkit lacks {name}", where=program)
        program.chmod(0o755)
