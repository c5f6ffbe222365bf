"""A CUDA 12 toolkit: nvcc of Debian's package, headers and libraries of PyPI's, in one folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from build_tools.toolkit.debian import unpack_deb

_NVCC = "usr/lib/nvidia-cuda-toolkit"

# Where each file of Debian's package belongs in a toolkit as NVIDIA lays it out.
_OF_DEBIAN = {
    **{
        f"usr/bin/{name}": f"bin/{name}"
        for name in ("bin2c", "cudafe++", "cuobjdump", "fatbinary", "nvdisasm", "nvlink", "ptxas")
    },
    f"{_NVCC}/bin/nvcc": "bin/nvcc",
    f"{_NVCC}/bin/crt/link.stub": "bin/crt/link.stub",
    f"{_NVCC}/bin/crt/prelink.stub": "bin/crt/prelink.stub",
    f"{_NVCC}/bin/cicc": "nvvm/bin/cicc",
    f"{_NVCC}/libdevice/libdevice.10.bc": "nvvm/libdevice/libdevice.10.bc",
}

# PyPI's packages have a folder each.
_OF_PYPI = ("cublas", "cuda_cccl", "cuda_nvcc", "cuda_runtime")

# Where nvcc finds the rest of a toolkit, from its own folder. Debian's names its system's folders.
_PROFILE = """\
TOP                = $(_HERE_)/..
NVVMIR_LIBRARY_DIR = $(TOP)/nvvm/libdevice
PATH              += $(TOP)/nvvm/bin:$(_HERE_):
INCLUDES          += "-I$(TOP)/include" $(_SPACE_)
LIBRARIES         =+ $(_SPACE_) "-L$(TOP)/lib/stubs" "-L$(TOP)/lib"
"""

# nvcc links these two into every program, and the packages lack them. CMake's trial programs are
# the only ones here: the linker takes the shared runtime for the first, nothing for the second.
_LINKER_SCRIPTS = {
    "libcudart_static.a": "INPUT ( libcudart.so )\n",
    "libcudadevrt.a": "/* nothing here launches kernels from kernels */\n",
}


def assemble(packages: Path, deb: Path, root: Path) -> None:
    """Lay out a toolkit.

    Args:
        packages: where PyPI's packages are installed; what the toolkit takes is moved from there.
        deb: Debian's package, its hash checked.
        root: the toolkit's folder; made here.

    Raises:
        BadInput: the package of Debian lacks a file.
    """
    unpacked = packages / "debian"
    unpack_deb(deb, _OF_DEBIAN, unpacked)
    for name, place in _OF_DEBIAN.items():
        _move(unpacked / name, root / place)
        if place.partition("/")[0] == "bin" or place.endswith("cicc"):
            (root / place).chmod(0o755)
    shutil.rmtree(unpacked)
    for package in _OF_PYPI:
        _merge(packages / "nvidia" / package / "include", root / "include")
        for library in sorted((packages / "nvidia" / package).glob("lib/*.so.*")):
            _move(library, root / "lib" / library.name)
    (root / "bin" / "nvcc.profile").write_text(_PROFILE, encoding="utf-8")
    for name, text in _LINKER_SCRIPTS.items():
        (root / "lib" / name).write_text(text, encoding="utf-8")


def _merge(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.name != "__init__.py":
            _move(path, target / path.relative_to(source))


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
