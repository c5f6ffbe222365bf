"""CUDA's libraries by their sonames: whose they are, what brings them, in what order they load."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof.binary.cuda_libraries import (
    CudaLibrary,
    cuda_libraries,
    installed_copies,
    needed_by_build,
    parse_soname,
)


@pytest.mark.parametrize(
    ("soname", "plain", "cuda_major"),
    [
        ("libcudart.so.13", "libcudart.so.13", 13),
        ("libcublasLt.so.12", "libcublasLt.so.12", 12),
        ("libcudart-9f3b1c2d.so.12.8.90", "libcudart.so.12", 12),
        ("libcuda.so.1", "libcuda.so.1", None),
        ("libnccl.so.2", "libnccl.so.2", None),
    ],
)
def test_a_soname_says_which_library_of_which_cuda(
    soname: str, plain: str, cuda_major: int | None
) -> None:
    found = parse_soname(soname)
    assert found is not None
    assert (found.soname, found.plain_soname, found.cuda_major) == (soname, plain, cuda_major)


@pytest.mark.parametrize("soname", ["libc.so.6", "libcudart.so", "libcudart_static.a", "libggml"])
def test_other_libraries_are_none_of_cuda(soname: str) -> None:
    assert parse_soname(soname) is None


@pytest.mark.parametrize(
    ("name", "major", "package", "folder"),
    [
        ("cudart", 12, "nvidia-cuda-runtime-cu12", "nvidia/cuda_runtime/lib"),
        ("cudart", 13, "nvidia-cuda-runtime", "nvidia/cu13/lib"),
        ("cublasLt", 12, "nvidia-cublas-cu12", "nvidia/cublas/lib"),
        ("nvrtc", 13, "nvidia-cuda-nvrtc", "nvidia/cu13/lib"),
    ],
)
def test_a_package_brings_it_to_its_folder(
    name: str, major: int, package: str, folder: str
) -> None:
    library = CudaLibrary.of_cuda(name, major)
    assert (library.package, library.folder) == (package, folder)


@pytest.mark.parametrize(
    ("package", "brings_some"),
    [
        ("nvidia-cublas", True),
        ("nvidia-cublas-cu12", True),
        ("nvidia-cublas-cu11", True),
        ("nvidia-cublas-cuda", False),
        ("nvidia-cuda-runtime-cu12", False),
    ],
)
@pytest.mark.parametrize("major", [12, 13])
def test_a_package_for_another_cuda_is_known_as_such(
    major: int, package: str, brings_some: bool
) -> None:
    assert CudaLibrary.of_cuda("cublas", major).is_package_for_any_cuda(package) is brings_some


@pytest.mark.parametrize(
    ("major", "packages"),
    [
        (12, ["nvidia-cuda-runtime-cu12", "nvidia-cublas-cu12"]),
        (13, ["nvidia-cuda-runtime", "nvidia-cublas"]),
    ],
)
def test_a_build_needs_the_runtime_first_and_cublas(major: int, packages: list[str]) -> None:
    assert [library.package for library in needed_by_build(major)] == packages


def test_they_load_after_those_they_need() -> None:
    sonames = ["libm.so.6", "libcublas.so.13", "libcublasLt.so.13", "libcudart.so.13"]
    found = [library.name for library in cuda_libraries([*sonames, "libcuda.so.1"])]
    assert found == ["cuda", "cudart", "cublasLt", "cublas"]


def test_a_copy_of_pip_comes_before_that_of_a_toolkit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = CudaLibrary.of_cuda("cublas", 12)
    copies = [
        tmp_path / "site" / library.folder / library.soname,
        tmp_path / "cuda" / "lib64" / library.soname,
    ]
    for copy in copies:
        copy.parent.mkdir(parents=True)
        copy.touch()
    monkeypatch.setattr("sys.path", [str(tmp_path / "empty"), str(tmp_path / "site")])
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    assert list(installed_copies(library))[:2] == copies
