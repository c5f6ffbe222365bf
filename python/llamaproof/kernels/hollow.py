"""Attention kernels that have a name but no attention in them.

llama.cpp compiles the template instances that it does not expect on an sm to a message and a trap
(NO_DEVICE_CODE in ggml-cuda/common.cuh). The launch of one succeeds; what ends is the program, at
the next synchronisation. Nothing a runtime is asked shows it: it has to be read in the code.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from llamaproof.binary.cubin import function_sizes
from llamaproof.binary.fatbin import Entry, read_codes, read_fatbins
from llamaproof.binary.loaded_code import select
from llamaproof.binary.ptx_header import split_kernels
from llamaproof.kernels import names as kernel_names

# The trap is 640 bytes of machine code for sm_89; the smallest attention kernel of 0.3.16 there,
# with its loads, softmax and stores, is 22,528.
SMALLEST_ATTENTION_BYTES = 2048


def hollow_kernels(library: Path, sm: int) -> frozenset[str]:
    """Mangled names of a library's attention kernels that cannot compute anything on an sm.

    Raises:
        BadInput: the library or its device code is damaged.
    """
    chosen = [select(fatbin.entries, sm) for fatbin in read_fatbins(library)]
    entries = [entry for entry in chosen if entry is not None]
    found: set[str] = set()
    for entry, code in zip(entries, read_codes(library, entries), strict=True):
        if b"flash_attn" in code:
            found.update(_hollow_in(entry, code, library))
    return frozenset(found)


def _hollow_in(entry: Entry, code: bytes, library: Path) -> Iterable[str]:
    hollow = _hollow_in_ptx(code) if entry.kind == "ptx" else _hollow_in_cubin(code, library)
    return (name for name in hollow if kernel_names.is_attention(kernel_names.function_of(name)))


def _hollow_in_cubin(code: bytes, library: Path) -> list[str]:
    sizes = function_sizes(code, where=library)
    return [name for name, size in sizes.items() if size < SMALLEST_ATTENTION_BYTES]


def _hollow_in_ptx(code: bytes) -> list[str]:
    """A kernel that stores nothing to global memory has no result."""
    text = code.decode("utf-8", errors="replace")
    return [name for name, kernel in split_kernels(text) if "st.global" not in kernel]
