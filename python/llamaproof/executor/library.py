"""The C interface of libllamaproof_emulator.so (native/emulator/include/llamaproof/emulator.h)."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from llamaproof.errors import BadInput
from llamaproof.native import NATIVE, built

ABI = 1
CLASSES = 25
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


class CCounts(ctypes.Structure):
    _fields_ = [
        ("struct_bytes", ctypes.c_uint64),
        ("by_class", ctypes.c_uint64 * CLASSES),
        ("warp_instructions", ctypes.c_uint64),
        ("active_lanes", ctypes.c_uint64),
        ("mma_ops", ctypes.c_uint64),
        ("mma_macs", ctypes.c_uint64),
        ("mma_macs_used", ctypes.c_uint64),
        ("mma_columns", ctypes.c_uint64),
        ("mma_columns_used", ctypes.c_uint64),
        ("mma_rows", ctypes.c_uint64),
        ("mma_rows_used", ctypes.c_uint64),
        ("global_bytes_read", ctypes.c_uint64),
        ("global_bytes_written", ctypes.c_uint64),
        ("sectors_read_requested", ctypes.c_uint64),
        ("sectors_read_per_block", ctypes.c_uint64),
        ("sectors_read_unique", ctypes.c_uint64),
        ("sectors_written_requested", ctypes.c_uint64),
        ("sectors_written_per_block", ctypes.c_uint64),
        ("sectors_written_unique", ctypes.c_uint64),
        ("shared_accesses", ctypes.c_uint64),
        ("shared_conflicts", ctypes.c_uint64),
        ("barriers", ctypes.c_uint64),
        ("atomics", ctypes.c_uint64),
        ("seconds", ctypes.c_double),
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
        BadInput: it is not there, cannot be loaded, or has another interface version.
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
    return library


def _declare(library: ctypes.CDLL) -> None:
    u32, u64, text = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_char_p
    handle, status, pointer = ctypes.c_void_p, ctypes.c_int, ctypes.POINTER
    signatures: dict[str, tuple[object, list[object]]] = {
        "class_name": (text, [u32]),
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
        "launch_kernel": (status, [handle, u32, text, pointer(CLaunch), pointer(CCounts)]),
        "finding_count": (u32, [handle]),
        "finding_at": (status, [handle, u32, pointer(CFinding)]),
        "printed": (text, [handle]),
        "profile": (text, [handle]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, f"llamaproof_emulator_{name}")
        function.restype = result
        function.argtypes = arguments
