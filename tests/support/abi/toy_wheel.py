"""A small wheel with real ELF libraries, right in every respect, for tests that spoil one."""

from __future__ import annotations

import base64
import functools
import hashlib
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from llamaproof.process import run
from tests.support.abi.toy_library import BINDINGS, HEADER, Change, planted
from tests.support.binary import elf_writer
from tests.support.wheel_facts import FACTS

LIBLLAMA = r"""
#include "llama.h"
int toy_gpu(void);
struct llama_params llama_default_params(void) { struct llama_params p = {0}; return p; }
struct llama_model * llama_load(const char * path, struct llama_params params) { return 0; }
void llama_free(struct llama_model * model) { toy_gpu(); }
int32_t llama_tokenize(const struct llama_model * model, const char * text,
                       llama_token * tokens, int32_t n_max, bool special) { return 0; }
uint64_t llama_size(const struct llama_model * model) { return 0; }
int32_t llama_layers(const struct llama_model * model) { return 0; }
const char * llama_name(const struct llama_model * model) { return 0; }
bool llama_set_group(struct llama_model * model, const struct llama_group * group) { return 0; }
enum llama_pooling llama_pooling_of(const struct llama_model * model) { return 0; }
"""

_LIBGPU = r"""
int cudaMalloc(void); int cublasCreate_v2(void); int cuMemCreate(void);
int toy_gpu(void) { return cudaMalloc() + cublasCreate_v2() + cuMemCreate(); }
__asm__(".section .nv_fatbin,\"a\"\n.incbin \"device.fatbin\"\n.previous");
"""

KERNEL = "_Z18flash_attn_ext_f16ILi576ELi512ELi4ELi16ELi8ELi2ELb0ELb1EEvPKc"
NVIDIA_PATH = "$ORIGIN:$ORIGIN/../../nvidia/cu13/lib"


@dataclass(frozen=True, kw_only=True)
class ToyWheel:
    """What to put into the wheel; every default is right.

    Attributes:
        made_here: whether it says of itself what wheels of this project say.
        cuda_arch: what it then says it was built for.
        archs: of the GPU code: `sm_89`, `compute_89`, `sm_90a`.
        last_archs: of the last translation unit; those of all where empty.
        cudart: soname of the runtime that libggml-cuda.so needs.
        versions: symbol versions that libllama.so needs, by soname.
        files: further files, or others in place of some, by path in the wheel.
    """

    version: str = "1.0+cu130"
    file_version: str = ""
    package_version: str = ""
    tag: str = "py3-none-manylinux_2_35_x86_64"
    file_tag: str = ""
    requires: Sequence[str] = ("numpy", "nvidia-cuda-runtime>=13.0.2,<14", "nvidia-cublas>=13,<14")
    made_here: bool = True
    cuda_arch: Sequence[str] = ("89",)
    archs: Sequence[str] = ("sm_89", "compute_89")
    last_archs: Sequence[str] = ()
    cudart: str = "libcudart.so.13"
    search_path: str = NVIDIA_PATH
    llama_search_path: str = "$ORIGIN"
    libllama: Sequence[Change] = ()
    header: Sequence[Change] = ()
    bindings: Sequence[Change] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    record: Sequence[Change] = ()


def write_wheel(folder: Path, toy: ToyWheel) -> Path:
    """Compile the libraries and put the wheel together in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    header = planted(HEADER, *toy.header)
    gpu, llama = _libraries(
        header,
        planted(LIBLLAMA, *toy.libllama),
        (tuple(toy.archs), tuple(toy.last_archs or toy.archs)),
        toy.cudart,
        (toy.search_path, toy.llama_search_path),
        tuple(toy.versions.items()),
    )
    facts = replace(FACTS, package_version=toy.version, cuda_arch=tuple(toy.cuda_arch))
    contents = {"llama_cpp/llamaproof.json": facts.text().encode()} if toy.made_here else {}
    info = f"llama_cpp_python-{toy.version}.dist-info"
    package_version = toy.package_version or toy.version
    files = {
        "llama_cpp/__init__.py": f'__version__ = "{package_version}"\n'.encode(),
        "llama_cpp/llama_cpp.py": planted(BINDINGS, *toy.bindings).encode(),
        "llama_cpp/include/llama.h": header.encode(),
        **contents,
        "llama_cpp/lib/libggml-cuda.so": gpu,
        "llama_cpp/lib/libllama.so": llama,
        f"{info}/METADATA": _metadata(toy).encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nTag: {toy.tag}\n".encode(),
        **toy.files,
    }
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{info}/RECORD"] = planted(f"{record}{info}/RECORD,,\n", *toy.record).encode()
    tag = toy.file_tag or toy.tag
    wheel = folder / f"llama_cpp_python-{toy.file_version or toy.version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return wheel


def stub(folder: Path, soname: str, functions: Sequence[str], version: str = "") -> Path:
    """A library of empty functions, with a version node where one is named."""
    source, script = folder / "stub.c", folder / "stub.map"
    source.write_text("".join(f"int {name}(void) {{ return 0; }}\n" for name in functions))
    script.write_text(f"{version or 'NONE'} {{ global: *; }};\n")
    flags = [f"-Wl,--version-script={script}"] if version else []
    library = folder / soname
    _gcc([source, f"-Wl,-soname,{soname}", *flags], library)
    return library


@functools.cache
def _libraries(
    header: str,
    libllama: str,
    archs: tuple[tuple[str, ...], ...],
    cudart: str,
    search_paths: tuple[str, str],
    versions: tuple[tuple[str, str], ...],
) -> tuple[bytes, bytes]:
    """libggml-cuda.so and libllama.so, compiled once for all tests that want them alike."""
    with tempfile.TemporaryDirectory() as scratch:
        build = Path(scratch)
        (build / "llama.h").write_text(header)
        (build / "device.fatbin").write_bytes(
            b"".join(elf_writer.fatbin_of(unit, kernel=KERNEL) for unit in archs)
        )
        gpu = _gpu_library(build, cudart, search_paths[0])
        llama = llama_library(build, libllama, search_paths[1], versions)
        return gpu.read_bytes(), llama.read_bytes()


def _gpu_library(build: Path, cudart: str, search_path: str) -> Path:
    (build / "gpu.c").write_text(_LIBGPU)
    needs = [
        stub(build, cudart, ["cudaMalloc"], cudart),
        stub(build, "libcublas.so.13", ["cublasCreate_v2"], "libcublas.so.13"),
        stub(build, "libcuda.so.1", ["cuMemCreate"]),
    ]
    library = build / "libggml-cuda.so"
    flags = [f"-Wl,-rpath,{search_path}", "-Wl,-soname,libggml-cuda.so"]
    _gcc([build / "gpu.c", *needs, *flags], library, cwd=build)
    return library


def llama_library(
    build: Path, source: str, search_path: str, versions: Sequence[tuple[str, str]] = ()
) -> Path:
    """Compile libllama.so beside a libggml-cuda.so that is there."""
    uses = [f"toy_{number}" for number, _ in enumerate(versions)]
    calls = "".join(
        f"int {name}(void);\nint use_{name}(void) {{ return {name}(); }}\n" for name in uses
    )
    (build / "llama.c").write_text(source + calls)
    needs = [
        stub(build, soname, [name], version)
        for name, (soname, version) in zip(uses, versions, strict=True)
    ]
    library = build / "libllama.so"
    flags = [f"-Wl,-rpath,{search_path}"] if search_path else []
    flags += ["-Wl,-soname,libllama.so", "-Wl,--allow-shlib-undefined"]
    _gcc([build / "llama.c", build / "libggml-cuda.so", *needs, *flags], library)
    return library


def _gcc(arguments: Sequence[str | Path], library: Path, cwd: Path | None = None) -> None:
    options = [
        "-shared",
        "-fPIC",
        "-nostdlib",
        "-w",
        "-Wl,--no-as-needed",
        "-Wl,--enable-new-dtags",
    ]
    run(["gcc", *options, *arguments, "-o", library], cwd=cwd)


def _metadata(toy: ToyWheel) -> str:
    lines = ["Metadata-Version: 2.1", "Name: llama_cpp_python", f"Version: {toy.version}"]
    lines += [f"Requires-Dist: {need}" for need in toy.requires]
    lines += ['Requires-Dist: pytest; extra == "test"']
    return "\n".join(lines) + "\n\nA description.\n"


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
