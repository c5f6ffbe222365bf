"""A target without a CUDA backend that can be observed is said to be one, and why."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from llamaproof import process
from llamaproof.dispatch.cuda_backend import find_cuda_backend
from llamaproof.errors import BadInput
from llamaproof.target import Target

needs_gxx = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


def target(folder: Path, *, package: Path | None = None) -> Target:
    return Target(
        name="given",
        kind="libraries" if package is None else "wheel",
        package=package,
        lib_dir=folder,
        version=None,
        sha256=None,
    )


def library(folder: Path, name: str, *, needs: Path | None = None, source: str = "") -> Path:
    text = folder / "source.cpp"
    text.write_text(source or "int f() { return 1; }\n")
    path = folder / name
    options = ["-Wl,--no-as-needed", str(needs)] if needs is not None else []
    process.run(["g++", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", path, text, *options])
    text.unlink()
    return path


@needs_gxx
@pytest.mark.parametrize("cuda", [12, 13])
def test_the_backend_is_the_library_that_needs_cudart(tmp_path: Path, cuda: int) -> None:
    runtime = tmp_path / "cuda"
    runtime.mkdir()
    cudart = library(runtime, f"libcudart.so.{cuda}")
    library(tmp_path, "libggml-base.so")
    backend = library(tmp_path, "libggml-cuda.so", needs=cudart)
    found = find_cuda_backend(target(tmp_path))
    assert (found.library, found.cuda) == (backend, cuda)


@needs_gxx
def test_a_cuda_that_cannot_be_played_is_named(tmp_path: Path) -> None:
    runtime = tmp_path / "cuda"
    runtime.mkdir()
    library(tmp_path, "libggml-cuda.so", needs=library(runtime, "libcudart.so.11"))
    with pytest.raises(BadInput, match="linked to CUDA 11; only CUDA 12 and 13"):
        find_cuda_backend(target(tmp_path))


@needs_gxx
def test_a_cpu_only_build_is_said_to_be_one(tmp_path: Path) -> None:
    library(tmp_path, "libggml-base.so")
    library(tmp_path, "libllama.so")
    with pytest.raises(BadInput, match="no CUDA backend: attention always runs on the CPU"):
        find_cuda_backend(target(tmp_path))


@needs_gxx
def test_another_backend_is_named(tmp_path: Path) -> None:
    library(tmp_path, "libggml-vulkan.so")
    library(tmp_path, "libllama.so")
    with pytest.raises(BadInput, match=r"no CUDA backend \(its other backends: vulkan\)"):
        find_cuda_backend(target(tmp_path))


@needs_gxx
def test_a_static_cudart_is_said_in_words(tmp_path: Path) -> None:
    source = '__attribute__((section(".nv_fatbin"))) int code = 1;\nint f() { return code; }\n'
    library(tmp_path, "libggml-cuda.so", source=source)
    with pytest.raises(BadInput, match="a cudart of its own, linked statically"):
        find_cuda_backend(target(tmp_path))


@pytest.mark.parametrize(
    ("name", "platform"), [("llama.dll", "Windows"), ("libllama.dylib", "macOS")]
)
def test_a_wheel_for_another_platform_is_named(tmp_path: Path, name: str, platform: str) -> None:
    package = tmp_path / "llama_cpp"
    (package / "lib").mkdir(parents=True)
    (package / "lib" / name).write_bytes(b"MZ")
    with pytest.raises(BadInput, match=f"the libraries are {platform}'s"):
        find_cuda_backend(target(package / "lib", package=package))


def test_a_package_without_libraries_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there are no llama\.cpp libraries"):
        find_cuda_backend(target(tmp_path / "lib", package=tmp_path))


def test_a_library_for_another_machine_is_named(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    path = library(tmp_path, "libllama.so")
    data = bytearray(path.read_bytes())
    data[18:20] = (183).to_bytes(2, "little")  # e_machine: EM_AARCH64
    path.write_bytes(data)
    with pytest.raises(BadInput, match="built for EM_AARCH64, not for EM_X86_64"):
        find_cuda_backend(target(tmp_path))


def test_a_damaged_library_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "libllama.so").write_bytes(b"\x7fELF\x02\x01\x01" + b"\0" * 20)
    with pytest.raises(BadInput, match="not a readable ELF library"):
        find_cuda_backend(target(tmp_path))
