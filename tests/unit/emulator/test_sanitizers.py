"""The emulator under the sanitizers: its own tests, and attention kernels of a built wheel."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from llamaproof.process import run

ROOT = Path(__file__).parents[3]
WHEELS = sorted((ROOT / "dist").glob("*.cu13*.whl"))
HERE = Path(__file__).parent
TESTS = ("checker", "fuzzed_ptx", "integer", "memory", "parser", "real", "warp", "wmma")

GCC, CMAKE, NINJA = (shutil.which(tool) for tool in ("gcc", "cmake", "ninja"))
pytestmark = [
    pytest.mark.native,
    pytest.mark.slow,
    pytest.mark.skipif(not (GCC and CMAKE and NINJA), reason="no gcc, cmake or ninja"),
]

RUNTIMES = {"address,undefined": ("libasan.so", "libubsan.so"), "thread": ("libtsan.so",)}
OPTIONS = {
    # Python frees nothing at its end.
    "ASAN_OPTIONS": "detect_leaks=0",
    # OpenMP in ggml's CPU backend tells the sanitizer nothing of its barriers.
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1 report_thread_leaks=0",
}


@dataclass(frozen=True, kw_only=True)
class Sanitized:
    """The emulator built with a sanitizer, and what it takes to load it into Python."""

    name: str
    environment: Mapping[str, str]

    def python(self, *arguments: str | os.PathLike[str]) -> tuple[int, str]:
        # The thread sanitizer wants memory where it expects it.
        fixed = ["setarch", "-R"] if self.name == "thread" else []
        outcome = run(
            [*fixed, sys.executable, *arguments],
            env={**os.environ, **self.environment},
            cwd=ROOT,
            check=False,
        )
        return outcome.returncode, outcome.output


@pytest.fixture(scope="module", params=sorted(RUNTIMES))
def sanitized(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Sanitized:
    assert GCC and CMAKE and NINJA
    if request.param == "thread" and shutil.which("setarch") is None:
        pytest.skip("no setarch (util-linux)")
    build = tmp_path_factory.mktemp("sanitized")
    sanitize = f"-DLLAMAPROOF_EMULATOR_SANITIZE={request.param}"
    source = ROOT / "native" / "emulator"
    run(
        [CMAKE, "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={NINJA}", sanitize]
    )
    run([NINJA, "-C", build])
    runtimes = [
        run([GCC, f"-print-file-name={name}"]).output.strip() for name in RUNTIMES[request.param]
    ]
    if not all(Path(runtime).is_absolute() for runtime in runtimes):
        pytest.skip(f"gcc has no {request.param} sanitizer")
    path = os.pathsep.join([str(ROOT / "python"), str(ROOT)])
    environment = {
        **OPTIONS,
        "LLAMAPROOF_EXECUTOR": str(build / "libllamaproof_emulator.so"),
        "LD_PRELOAD": " ".join(runtimes),
        "PYTHONPATH": path,
    }
    return Sanitized(name=request.param, environment=environment)


def test_the_emulators_own_tests(sanitized: Sanitized) -> None:
    files = [HERE / f"test_{name}.py" for name in TESTS]
    code, output = sanitized.python(
        "-m", "pytest", "-q", "-m", "not toolkit", "-p", "no:cacheprovider", *files
    )
    assert code == 0, output
    assert "Sanitizer" not in output, output
    assert " passed" in output


@pytest.mark.wheel
@pytest.mark.skipif(not WHEELS, reason="no CUDA wheel in dist/ (just build-wheel)")
def test_whole_attention_kernels(sanitized: Sanitized) -> None:
    """mma with stream-k and its fix-up for MLA; vec, quantised; both with more than one block."""
    for shape in (
        ("--head-sizes", "576/512", "--type", "f16", "--ratio", "20"),
        ("--head-sizes", "128", "--type", "q8_0", "--ratio", "4"),
    ):
        tokens = ("--tokens", "1", "--tokens", "35", "--n-kv", "512")
        code, output = sanitized.python("-m", "llamaproof", "emulate", WHEELS[-1], *shape, *tokens)
        assert code == 0, output
        assert "Sanitizer" not in output, output
        assert "2 holds" in output


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
