"""The C interface of libllamaproof_emulator.so (native/emulator/include/llamaproof/emulator.h)."""

from __future__ import annotations

import ctypes
import itertools
import os
from pathlib import Path

from llamaproof.errors import BadInput
from llamaproof.executor.counts import NAMES
from llamaproof.executor.finding_kind import FindingKind
from llamaproof.native import NATIVE, built

ABI = 2
LIBRARY_NAME = "libllamaproof_emulator.so"


class CKernel(ctypes.Structure):
    _fields_ = [
        ("struct_bytes", ctypes.c_uint64),
        ("module", ctypes.c_uint32),
        ("parameter_count", ctypes.c_uint32),
        ("parameter_bytes", ctypes.c_uint32),
        ("static_shared_bytes", ctypes.c_uint32),
        ("dynamic_shared_offset", ctypes.c_uint32),
        ("local_bytes", ctypes.c_uint32),
        ("register_bytes", ctypes.c_uint32),
        ("instructions", ctypes.c_uint32),
        ("max_threads", ctypes.c_uint32),
        ("ordered", ctypes.c_uint32),
    ]


class CLaunch(ctypes.Structure):
    _fields_ = [
        ("struct_bytes", ctypes.c_uint64),
        ("grid", ctypes.c_uint32 * 3),
        ("block", ctypes.c_uint32 * 3),
        ("dynamic_shared_bytes", ctypes.c_uint64),
        ("parameters", ctypes.c_void_p),
        ("parameter_bytes", ctypes.c_uint64),
        ("instruction_limit", ctypes.c_uint64),
        ("threads", ctypes.c_uint32),
        ("check", ctypes.c_uint32),
    ]


class CFinding(ctypes.Structure):
    _fields_ = [
        ("struct_bytes", ctypes.c_uint64),
        ("kind", ctypes.c_int32),
        ("line", ctypes.c_int32),
        ("block", ctypes.c_uint32 * 3),
        ("thread", ctypes.c_uint32 * 3),
        ("address", ctypes.c_uint64),
        ("count", ctypes.c_uint64),
        ("instruction", ctypes.c_char_p),
        ("detail", ctypes.c_char_p),
    ]


def default_library() -> Path:
    """Where the package keeps the emulator; LLAMAPROOF_EXECUTOR names another one."""
    named = os.environ.get("LLAMAPROOF_EXECUTOR")
    if named:
        return Path(named)
    return NATIVE / LIBRARY_NAME


def open_library(path: Path | None = None) -> ctypes.CDLL:
    """Load the emulator and declare its functions.

    Raises:
        BadInput: it is not there, cannot be loaded, has another interface version, or counts or
            finds something else than this package knows of.
    """
    where = path if path is not None else default_library()
    hint = "build the native libraries (just native), or install the llamaproof wheel"
    built(where)
    try:
        library = ctypes.CDLL(str(where))
        library.llamaproof_emulator_abi.restype = ctypes.c_int
        found = int(library.llamaproof_emulator_abi())
    except (OSError, AttributeError) as error:
        raise BadInput(f"cannot load the PTX emulator: {error}", where=where, hint=hint) from error
    if found != ABI:
        raise BadInput(
            f"the PTX emulator has interface {found}, this package needs {ABI}",
            where=where,
            hint=hint,
        )
    _declare(library)
    _check_names(where, "counts", names(library, "count"), NAMES)
    kinds = tuple(kind.name.lower() for kind in sorted(FindingKind))
    _check_names(where, "findings", names(library, "finding"), kinds)
    return library


def names(library: ctypes.CDLL, of: str) -> tuple[str, ...]:
    """The library's names of instruction classes ("class"), counts or findings, in its order."""
    name_at = getattr(library, f"llamaproof_emulator_{of}_name")
    every = itertools.takewhile(bool, map(name_at, itertools.count()))
    return tuple(name.decode() for name in every)


def _check_names(where: Path, what: str, found: tuple[str, ...], expected: tuple[str, ...]) -> None:
    if found == expected:
        return
    place, theirs, ours = next(
        (index, *pair)
        for index, pair in enumerate(itertools.zip_longest(found, expected, fillvalue="nothing"))
        if pair[0] != pair[1]
    )
    raise BadInput(
        f"the PTX emulator's {what} are not those of this package: number {place} is {theirs} "
        f"there and {ours} here",
        where=where,
        hint="build the native libraries again from the same source as the package",
    )


def _declare(library: ctypes.CDLL) -> None:
    u32, u64, text = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_char_p
    handle, status, pointer = ctypes.c_void_p, ctypes.c_int, ctypes.POINTER
    signatures: dict[str, tuple[object, list[object]]] = {
        "class_name": (text, [u32]),
        "count_name": (text, [u32]),
        "finding_name": (text, [u32]),
        "create": (handle, []),
        "destroy": (None, [handle]),
        "error": (text, [handle]),
        "load": (status, [handle, text, u64, pointer(u32)]),
        "unload": (status, [handle, u32]),
        "kernels": (text, [handle, u32]),
        "kernel_info": (status, [handle, u32, text, pointer(CKernel)]),
        "parameter": (status, [handle, u32, text, u32, pointer(u32), pointer(u32)]),
        "symbol": (status, [handle, u32, text, pointer(u64), pointer(u64)]),
        "add_memory": (status, [handle, u64, u64, ctypes.c_void_p, status]),
        "remove_memory": (status, [handle, u64]),
        "mark": (status, [handle, u64, u64, status]),
        "launch_kernel": (status, [handle, u32, text, pointer(CLaunch)]),
        "class_count": (u64, [handle, u32]),
        "count": (u64, [handle, u32]),
        "seconds": (ctypes.c_double, [handle]),
        "finding_count": (u32, [handle]),
        "finding_at": (status, [handle, u32, pointer(CFinding)]),
        "printed": (text, [handle]),
        "profile": (text, [handle]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, f"llamaproof_emulator_{name}")
        function.restype = result
        function.argtypes = arguments
