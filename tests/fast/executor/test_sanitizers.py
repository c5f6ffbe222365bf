"""The emulator under the sanitizers: its own tests."""

from __future__ import annotations

from pathlib import Path

from tests.support.executor.fixtures import Sanitized

HERE = Path(__file__).parent
TESTS = ("checker", "integer", "memory", "parser", "real", "warp", "wmma")


def test_the_emulators_own_tests(sanitized: Sanitized) -> None:
    files = [HERE / f"test_{name}.py" for name in TESTS]
    code, output = sanitized.python("-m", "pytest", "-q", "-p", "no:cacheprovider", *files)
    assert code == 0, output
    assert "Sanitizer" not in output, output
    assert " passed" in output


# A device array that claims to be longer than the memory behind it; blocks that write one word.
PLANTED = {
    "address,undefined": (
        "heap-buffer-overflow",
        "mov.u32 %x, %tid.x; mad.wide.u32 %p, %x, 4, %p; ld.global.u32 %x, [%p];"
        "st.global.u32 [%p], %x;",
    ),
    "thread": (
        "data race",
        "mov.u32 %x, %ctaid.x; L: st.global.u32 [%p], %x; add.u32 %x, %x, 1;"
        "setp.lt.u32 %q, %x, 20000; @%q bra L;",
    ),
}
PROGRAM = """
import ctypes, sys
from llamaproof.executor.machine import Emulator
text = '''.version 9.0
.target sm_90
.address_size 64
.entry k(.param .u64 a) {{ .reg .b64 %p; .reg .b32 %x; .reg .pred %q; ld.param.u64 %p, [a];
{code} ret; }}'''
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
with Emulator() as device:
    address = libc.malloc(64)
    device._call("add_memory", address, 256, ctypes.c_void_p(address), 1)
    kernel = device.kernel(device.load(text), "k")
    device.launch(kernel, grid=(8,), block=(64,), arguments=[address], threads=4)
"""


def test_a_planted_defect_is_found(sanitized: Sanitized) -> None:
    words, code = PLANTED[sanitized.name]
    status, output = sanitized.python("-c", PROGRAM.format(code=code))
    assert status != 0, output
    assert words in output
