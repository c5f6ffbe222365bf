"""Attention kernels that have a name but no attention in them.

llama.cpp compiles the template instances that it does not expect on an sm to a message and a trap
(NO_DEVICE_CODE in ggml-cuda/common.cuh). The launch of one succeeds; what ends is the program, at
the next synchronisation. Nothing a runtime is asked shows it: it has to be read in the code.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from llamaproof.binary import kernel_names
from llamaproof.binary.fatbin import Entry, read_codes, read_fatbins, select
from llamaproof.errors import BadInput

# The trap is 640 bytes of machine code for sm_89; the smallest attention kernel of 0.3.16 there,
# with its loads, softmax and stores, is 22,528.
SMALLEST_ATTENTION_BYTES = 2048

_PTX_ENTRY = re.compile(rb"\.entry\s+([\w$]+)")


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
    try:
        sections = [(s.name, s["sh_size"]) for s in ELFFile(io.BytesIO(code)).iter_sections()]
    except (ELFError, UnicodeDecodeError, ValueError) as error:
        raise BadInput(
            f"machine code cannot be read: {error}",
            where=library,
            hint="the file is damaged or was cut short; get it again",
        ) from error
    return [
        name.removeprefix(".text.")
        for name, size in sections
        if name.startswith(".text.") and size < SMALLEST_ATTENTION_BYTES
    ]


def _hollow_in_ptx(code: bytes) -> list[str]:
    """A kernel that stores nothing to global memory has no result."""
    starts = [(m.group(1).decode(), m.start()) for m in _PTX_ENTRY.finditer(code)]
    ends = [start for _, start in starts[1:]] + [len(code)]
    return [
        name
        for (name, start), end in zip(starts, ends, strict=True)
        if code.find(b"st.global", start, end) < 0
    ]
