"""A CUDA toolkit: the pinned one from PyPI, or the one that CUDA_HOME names."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from build_tools.wheel.arch import PINNED_TOOLKIT_ARCHS
from llamaproof.errors import BadInput, LlamaproofError
from llamaproof.process import run

# The driver functions that ggml-cuda calls (its VMM memory pool).
DRIVER_SYMBOLS = (
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuGetErrorString",
    "cuMemAddressFree",
    "cuMemAddressReserve",
    "cuMemCreate",
    "cuMemGetAllocationGranularity",
    "cuMemMap",
    "cuMemRelease",
    "cuMemSetAccess",
    "cuMemUnmap",
)

CUDA_ERROR_NO_DEVICE = 100  # cuda.h


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


def pinned_toolkit_root(checkout: Path) -> Path:
    """Where the pinned toolkit is, or will be."""
    digest = hashlib.sha256((checkout / "requirements" / "cuda13.lock").read_bytes()).hexdigest()
    return checkout / "build" / "toolkit" / f"cuda13-{digest[:12]}"


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


def pinned_toolkit(checkout: Path) -> Toolkit:
    """The toolkit of requirements/cuda13.lock, installed under build/ if it is not there yet."""
    folder = pinned_toolkit_root(checkout)
    root = folder / "nvidia" / "cu13"
    if not folder.exists():
        _install(checkout, folder)
    return Toolkit(root=root, version="13.0", archs=PINNED_TOOLKIT_ARCHS, pinned=True)


def _install(checkout: Path, folder: Path) -> None:
    """Install to a folder beside it and rename it at the end."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    print("toolkit: installing CUDA 13.0 (about 0.9 GB unpacked)", flush=True)
    command = (
        sys.executable, "-m", "pip", "install", "--require-hashes", "--no-deps",
        "--only-binary", ":all:", "--disable-pip-version-check", "--no-compile",
        "--target", str(partial), "-r", str(checkout / "requirements" / "cuda13.lock"),
    )  # fmt: skip
    try:
        run(command, on_line=_progress)
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


def build_driver_stub(path: Path) -> None:
    """Compile a libcuda.so.1 that says there is no device, to link with or to run without a driver.

    `cuInit` and what cudart asks first answer CUDA_ERROR_NO_DEVICE.
    """
    names = ("cuInit", "cuDriverGetVersion", "cuDeviceGetCount", *DRIVER_SYMBOLS)
    source = path.with_suffix(".c")
    functions = (f"int {name}(void) {{ return {CUDA_ERROR_NO_DEVICE}; }}" for name in names)
    source.write_text("\n".join(functions) + "\n")
    try:
        run(
            ("cc", "-O1", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-Wl,--build-id=none",
             "-o", path, source)
        )  # fmt: skip
    finally:
        source.unlink()


def nvcc_version(nvcc: Path) -> str:
    """The release that nvcc states, as `12.8`."""
    output = run((nvcc, "--version")).output
    match = re.search(r"release (\d+\.\d+)", output)
    if match is None:
        raise BadInput("nvcc does not say its release", where=nvcc, hint=output[-200:])
    return match.group(1)


def _progress(line: str) -> None:
    if line.startswith(("Collecting", "  Downloading", "Installing", "Successfully", "ERROR")):
        print(f"  {line.strip()[:120]}", flush=True)
