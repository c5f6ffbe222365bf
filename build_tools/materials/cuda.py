"""The packages of a CUDA toolkit: those that leave code in a wheel, and those that only make it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from build_tools.materials.part import Part, Use, standard_text
from llamaproof.errors import LlamaproofError
from llamaproof.wheel_contents import ToolkitPackage

NVIDIA = "LicenseRef-NVIDIA-Proprietary"
_CCCL = "Apache-2.0 WITH LLVM-exception AND Apache-2.0 AND BSD-3-Clause"

# What of each is in libggml-cuda.so. libdevice and the FP16 headers are named in attachment A of
# NVIDIA's agreement; every program that nvcc compiles has them.
_INSIDE: Mapping[str, tuple[str, str]] = {
    "nvidia-cuda-cccl": (_CCCL, "CUB, Thrust and libcu++: templates, compiled in"),
    "nvidia-cuda-runtime": (NVIDIA, "CUDA's headers: inline functions, compiled in"),
    "nvidia-cuda-crt": (NVIDIA, "nvcc's own headers: start of the GPU code, compiled in"),
    "nvidia-nvvm": (NVIDIA, "libdevice: mathematical functions, linked into the GPU code"),
}

# nvcc 12's packages are divided in another way.
_INSIDE_12: Mapping[str, tuple[str, str]] = {
    "nvidia-cuda-nvcc": _INSIDE["nvidia-cuda-crt"],
    "nvidia-cuda-toolkit": _INSIDE["nvidia-nvvm"],
}

_MADE_WITH: Mapping[str, str] = {
    "cuda-toolkit": "names the packages of a toolkit",
    "nvidia-cublas": "declarations of cuBLAS, to compile and link with; not in the wheel",
    "nvidia-cuda-cuobjdump": "reads GPU code; not in the wheel",
    "nvidia-cuda-nvcc": "the CUDA compiler",
    "nvidia-cuda-nvrtc": "a compiler for run time; not in the wheel",
}


def toolkit_parts(packages: tuple[ToolkitPackage, ...], folder: Path) -> Iterator[Part]:
    """The packages of a toolkit that was put together from them.

    Args:
        folder: what they were installed to, with the `*.dist-info` of each.

    Raises:
        LlamaproofError: a package is not known here, or brought no licence.
    """
    cuda_12 = any(package.name.endswith("-cu12") for package in packages)
    inside = {**_INSIDE, **(_INSIDE_12 if cuda_12 else {})}
    for package in packages:
        plain = package.name.removesuffix("-cu12")
        if plain in inside:
            licence, description = inside[plain]
            texts = _texts(licence, package, folder)
            yield _part(package, licence, "inside", description, texts)
        elif plain in _MADE_WITH:
            yield _part(package, NVIDIA, "made with", _MADE_WITH[plain], {})
        else:
            raise LlamaproofError(
                f"whether {package.name} leaves code in a wheel is not known here",
                where=Path(__file__).name,
                hint="find out, and add it to the table there",
            )


def own_toolkit_part(version: str, root: Path) -> Part:
    """A toolkit of the user's own (CUDA_HOME), which no package names.

    Its terms are taken along where it brings them.
    """
    terms = next((path for path in (root / "EULA.txt", root / "LICENSE") if path.is_file()), None)
    text = {} if terms is None else {"License.txt": _read(terms)}
    return Part(
        name="cuda-toolkit",
        version=version,
        purl=f"pkg:generic/cuda-toolkit@{version}",
        licence=f"{NVIDIA} AND {_CCCL}",
        use="inside",
        description="a toolkit of the build machine: headers and libdevice, compiled in",
        texts=_cccl_texts(root / "include") | text,
    )


def _part(
    package: ToolkitPackage,
    licence: str,
    use: Use,
    description: str,
    texts: Mapping[str, str],
) -> Part:
    purl = f"pkg:pypi/{package.name}@{package.version}"
    if package.type == "deb":
        purl = f"pkg:deb/debian/{package.name}@{package.version}?arch=amd64"
    return Part(
        name=package.name,
        version=package.version,
        purl=purl,
        licence=licence,
        use=use,
        description=description,
        sha256=package.sha256,
        texts=texts,
    )


def _texts(licence: str, package: ToolkitPackage, folder: Path) -> dict[str, str]:
    if licence == _CCCL:
        includes = [path for path in folder.rglob("cub.cuh") if path.parent.name == "cub"]
        return _cccl_texts(includes[0].parents[1] if includes else folder)
    # Debian repacks what NVIDIA's own packages bring, with the same terms.
    name = re.sub(r"[-.]+", "_", package.name) if package.type == "pypi" else "nvidia_cuda_*"
    found = sorted(folder.glob(f"{name}-{'*' if '*' in name else package.version}.dist-info"))
    texts = (path for info in found for path in sorted(info.rglob("License.txt")))
    terms = next(texts, None)
    if terms is None:
        raise LlamaproofError(
            f"{package.name} came without its licence",
            where=folder,
            hint="remove this folder: the next build installs the toolkit anew",
        )
    return {"License.txt": _read(terms)}


def _cccl_texts(include: Path) -> dict[str, str]:
    """Its two standard texts, and CUB's, with the copyright as the head of its files states it."""
    texts = {
        "Apache-2.0.txt": standard_text("Apache-2.0.txt"),
        "LLVM-exception.txt": standard_text("LLVM-exception.txt"),
    }
    places = (include / "cub" / "cub.cuh", include / "cccl" / "cub" / "cub.cuh")
    for path in filter(Path.is_file, places):
        texts["CUB-BSD-3-Clause.txt"] = _cub_text(_read(path))
    return texts


def _cub_text(header: str) -> str:
    """The first lines, which are a comment; newer releases have the licence's name in it alone."""
    head = itertools.takewhile(_is_comment, header.splitlines())
    comment = "\n".join(line.strip("/* ").rstrip() for line in head).strip()
    if "Redistribution and use" in comment:
        return f"{comment}\n"
    return f"{comment}\n\n{standard_text('BSD-3-Clause.txt')}"


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(("/*", "*", "//"))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
