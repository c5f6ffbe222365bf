"""Defects planted in a copy of real libraries, by changing bytes of their CUDA backend.

They are those of a backport that was done by halves. The places are found by what surrounds them,
so that another compiler's output makes a test skip, not lie.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

# In 0.3.16 both gates of (576, 512) compare V's head size (ne[0], at offset 16 of ggml_tensor)
# with 512 and soon after test the ratio's low four bits: cmpq $512, 16(%reg); ...; test $15, %al.
_GATE = re.compile(rb"\x48\x81[\x78-\x7f]\x10\x00\x02\x00\x00.{0,96}?\xa8\x0f", re.DOTALL)
# ... % 4 in place of % 16
_RELAXED = b"\xa8\x03"

# mov $imm32 to eax, ecx, edx, r8d, r9d: the amount of shared memory as a result, or on its way to
# cudaFuncSetAttribute and to launch_fattn, where it is the third or a later argument.
_AMOUNT_LOADS = (b"\xb8", b"\xb9", b"\xba", b"\x41\xb8", b"\x41\xb9")

DISPATCH, SUPPORTS_OP = 0, 1  # in the order of the file: fattn.cu comes before ggml-cuda.cu


def copy(libraries: Path, to: Path) -> Path:
    """The libraries in a folder of their own; returns the CUDA backend."""
    to.mkdir()
    for path in sorted(libraries.glob("lib*.so*")):
        shutil.copy(path, to / path.name, follow_symlinks=True)
    return to / "libggml-cuda.so"


def relax_gate(backend: Path, gate: int) -> None:
    """Let one of the two gates of 0.3.16 pass every ratio divisible by 4."""
    data = bytearray(backend.read_bytes())
    places = list(_GATE.finditer(data))
    if len(places) != 2:
        pytest.skip(f"the two gates were not found in this build ({len(places)} places)")
    end = places[gate].end()
    data[end - len(_RELAXED) : end] = _RELAXED
    backend.write_bytes(data)


def lose_instance(backend: Path, template_arguments: str) -> None:
    """Register the kernels with these mangled template arguments under names without code.

    What is changed is the name that the host's code passes to the runtime; the device's code is
    compressed, and keeps the old one.
    """
    old = template_arguments.encode()
    data = backend.read_bytes()
    if b"_Z18flash_attn_ext_f16" + old not in data:
        pytest.skip(f"the build has no kernel {template_arguments}")
    new = old.replace(b"Li576E", b"Li577E")
    backend.write_bytes(
        data.replace(b"_Z18flash_attn_ext_f16" + old, b"_Z18flash_attn_ext_f16" + new)
    )


def ask_for_shared_memory(backend: Path, now: int, instead: int) -> None:
    """Let the kernels that are launched with `now` bytes of shared memory ask for others."""
    data = backend.read_bytes()
    found = 0
    for load in _AMOUNT_LOADS:
        old, new = (load + amount.to_bytes(4, "little") for amount in (now, instead))
        found += data.count(old)
        data = data.replace(old, new)
    if not found:
        pytest.skip(f"no code was found that loads {now} bytes")
    backend.write_bytes(data)
