"""A wheel small enough to be proved in seconds: one kernel of PTX, executed as ggml's own are.

Its bindings, header and METADATA are those of the toy wheel; its ggml computes one attention.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaproof.process import run
from tests.support.abi.toy_library import HEADER, Change
from tests.support.abi.toy_wheel import (
    LIBLLAMA,
    NVIDIA_PATH,
    ToyWheel,
    llama_library,
    stub,
    write_wheel,
)
from tests.support.binary import elf_writer

KERNEL = (
    "_Z18flash_attn_ext_f16ILi576ELi512ELi4ELi4ELi2ELi2ELb0ELb1EEvPKcS1_S1_S1_S1_PKiPfP6float2"
    "ffffjfiiiiiiiiiiiiiliiliiiiil"
)
_HERE = Path(__file__).parent
_RUNTIME = (
    "__cudaRegisterFatBinary", "__cudaRegisterFunction",
    "cudaGetDeviceProperties", "cudaMalloc", "cudaFree", "cudaMemcpy", "cudaLaunchKernel",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SmallWheel:
    """What to put into the wheel; every default is right.

    Attributes:
        supported: when the CUDA backend's supports_op takes a node: C, of the GQA ratio `r`.
        dispatched: when its dispatch has a kernel for it; else it aborts.
        sms: that it has PTX for; none is a wheel without GPU code.
        kernel: changes to the kernel's PTX.
        bindings: changes to the bindings.
    """

    supported: str = "r % 4 == 0"
    dispatched: str = "r % 4 == 0"
    sms: tuple[int, ...] = (89,)
    kernel: tuple[Change, ...] = ()
    bindings: Sequence[Change] = ()

    def write(self, folder: Path) -> Path:
        """Compile its libraries and put it together in `folder`."""
        gpu, llama = _libraries(self.supported, self.dispatched, self.sms, self.kernel)
        libraries = {"llama_cpp/lib/libggml-cuda.so": gpu, "llama_cpp/lib/libllama.so": llama}
        archs = [f"{sm}-virtual" for sm in self.sms]
        return write_wheel(
            folder, ToyWheel(files=libraries, cuda_arch=archs, bindings=self.bindings)
        )


def ptx(sm: int, changes: Sequence[Change] = ()) -> bytes:
    """The kernel for an sm, changed."""
    text = (_HERE / "attention.ptx").read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text.replace("@SM@", str(sm)).replace("@KERNEL@", KERNEL).encode()


@functools.cache
def _libraries(
    supported: str, dispatched: str, sms: tuple[int, ...], kernel: tuple[Change, ...]
) -> tuple[bytes, bytes]:
    """libggml-cuda.so and libllama.so, compiled once for all tests that want them alike."""
    with tempfile.TemporaryDirectory() as scratch:
        build = Path(scratch)
        entries = [elf_writer.entry(elf_writer.PTX, sm, ptx(sm, kernel)) for sm in sms]
        (build / "device.fatbin").write_bytes(elf_writer.fatbin(*entries) if sms else b"")
        gpu = _gpu_library(build, supported, dispatched)
        (build / "llama.h").write_text(HEADER)
        source = LIBLLAMA + "void llama_backend_init(void) {}\n"
        llama = llama_library(build, source, "$ORIGIN")
        return gpu.read_bytes(), llama.read_bytes()


def _gpu_library(build: Path, supported: str, dispatched: str) -> Path:
    runtime = stub(build, "libcudart.so.13", _RUNTIME, "libcudart.so.13")
    library = build / "libggml-cuda.so"
    options = ["-std=gnu11", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]
    settings = [f"-DSUPPORTED={supported}", f"-DDISPATCHED={dispatched}", f'-DKERNEL="{KERNEL}"']
    links = [f"-Wl,-rpath,{NVIDIA_PATH}", "-Wl,--enable-new-dtags", "-Wl,-soname,libggml-cuda.so"]
    source = _HERE / "small_ggml.c"
    run(["gcc", *options, *settings, source, runtime, *links, "-lm", "-o", library], cwd=build)
    return library
