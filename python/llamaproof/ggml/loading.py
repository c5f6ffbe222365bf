"""Load the llama.cpp libraries of a folder into this process."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping
from pathlib import Path

from llamaproof.binary.elf import X86_64, Elf, read_elf
from llamaproof.errors import BadInput
from llamaproof.ggml.library import Ggml
from llamaproof.ggml.types import GgmlType, KvLayout


def load(lib_dir: Path, *, kv_layout: KvLayout | None = None) -> Ggml:
    """Load the llama.cpp libraries of a folder into this process, dependencies first.

    Backends that are not linked in (GGML_BACKEND_DL builds) are loaded through ggml's own loader.

    Args:
        kv_layout: of the release, for a folder without the libllama that shows it.

    Raises:
        BadInput: there are none, one is damaged or for another platform, or a library they need
            (cudart, cublas, the driver) is not found.
    """
    handles = open_libraries(lib_dir)
    ggml = Ggml(lib_dir=lib_dir, handles=handles, kv_layout=kv_layout)
    _check_types(ggml)
    if ggml.device("CPU") is None:
        ggml.call("ggml_backend_load_all_from_path", str(lib_dir).encode())
    return ggml


def open_libraries(lib_dir: Path) -> tuple[ctypes.CDLL, ...]:
    """Open the llama.cpp libraries of a folder, dependencies first; no backend is asked anything.

    Raises:
        BadInput: as `load`.
    """
    return tuple(_open(path) for path in linked_libraries(lib_dir))


def linked_libraries(lib_dir: Path) -> tuple[Path, ...]:
    """The libraries that libllama (else libggml) of a folder links to within it, leaves first.

    Raises:
        BadInput: there is neither, or one is no x86-64 ELF library.
    """
    found: dict[str, Elf] = {}
    for path in sorted(lib_dir.iterdir()) if lib_dir.is_dir() else ():
        if re.fullmatch(r"lib(llama|ggml[\w-]*)\.so(\.\d+)*", path.name):
            library = _read_library(path)
            found.setdefault(library.name, library)
    root = next(
        (
            library
            for stem in ("libllama", "libggml", "libggml-base")
            for name, library in found.items()
            if name.split(".so")[0] == stem
        ),
        None,
    )
    if root is None:
        raise BadInput(
            "no libllama.so and no libggml.so",
            where=lib_dir,
            hint="give the folder that holds llama.cpp's shared libraries",
        )
    ordered: list[Path] = []
    _visit(root, found, ordered)
    return tuple(ordered)


def _read_library(path: Path) -> Elf:
    library = read_elf(path)
    if library.machine != X86_64:
        raise BadInput(
            f"{path.name} is built for {library.machine}, not for {X86_64}",
            where=path,
            hint="get the build for Linux on x86-64",
        )
    return library


def _visit(library: Elf, found: Mapping[str, Elf], ordered: list[Path]) -> None:
    if library.path in ordered:
        return
    for name in library.needed:
        if name in found:
            _visit(found[name], found, ordered)
    ordered.append(library.path)


def _open(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise BadInput(
            f"{path.name} cannot be loaded: {error}",
            where=path,
            hint="the library named is missing or of another version; for CUDA's own, "
            "the driver, cudart and cublas of the build's major version must be found first",
        ) from error


def _check_types(ggml: Ggml) -> None:
    for kind in GgmlType:
        if ggml.type_name(kind) != kind.label:
            raise BadInput(
                f"type {int(kind)} is {ggml.type_name(kind)!r} here, not {kind.label!r}",
                where=ggml.lib_dir,
                hint="these libraries number their tensor types as no known release does",
            )
