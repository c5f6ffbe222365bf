"""What the files of a package say: each reason users report, planted and found by its code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from llamaproof import process
from llamaproof.binary import ptx_release
from llamaproof.doctor.findings import DoctorFinding
from llamaproof.doctor.package import Host, examine_code, examine_package
from tests.support.binary import elf_writer
from tests.support.small_libraries import build, package

HOST = Host(machine="x86_64", glibc=(2, 36), glibcxx=(3, 4, 30))
CUDA_13 = ("libcudart.so.13", "libcublas.so.13")
PLAIN = ("libllama.so", "libggml.so", "libggml-cuda.so")


def _codes(found: Sequence[DoctorFinding], level: str) -> list[str]:
    return [finding.code for finding in found if finding.level == level]


def test_a_cuda_build_is_fine(tmp_path: Path) -> None:
    found = examine_package(package(tmp_path, PLAIN, CUDA_13), HOST, {})
    assert _codes(found, "stops") == []
    assert "cuda" in _codes(found, "fine")


def test_a_build_without_cuda_stops(tmp_path: Path) -> None:
    found = examine_package(package(tmp_path, PLAIN[:2]), HOST, {})
    assert _codes(found, "stops") == ["cpu-only"]
    assert "everything runs on the CPU" in found[0].what
    assert "built with CUDA" in found[0].remedy


def test_a_build_for_vulkan_is_not_judged(tmp_path: Path) -> None:
    found = examine_package(package(tmp_path, ("libllama.so", "libggml-vulkan.so")), HOST, {})
    assert _codes(found, "stops") == []
    assert _codes(found, "unclear") == ["other-backend"]


def test_two_cuda_versions_in_one_package_stop(tmp_path: Path) -> None:
    needs = ("libcudart.so.12", "libcublas.so.13")
    found = examine_package(package(tmp_path, PLAIN, needs), HOST, {})
    assert _codes(found, "stops") == ["mixed-cuda"]
    assert "libcublas.so.13, libcudart.so.12" in next(f.what for f in found if f.level == "stops")


def test_a_static_cuda_runtime_is_noted(tmp_path: Path) -> None:
    found = examine_package(package(tmp_path, PLAIN), HOST, {})
    assert _codes(found, "note") == ["static-cudart"]


def test_a_package_without_libraries_stops(tmp_path: Path) -> None:
    folder = tmp_path / "llama_cpp"
    folder.mkdir()
    target = package(tmp_path, ())
    assert _codes(examine_package(target, HOST, {}), "stops") == ["no-libraries"]


def test_a_damaged_library_stops(tmp_path: Path) -> None:
    target = package(tmp_path, PLAIN, CUDA_13)
    library = target.lib_dir / "libggml.so"
    library.write_bytes(library.read_bytes()[:100])
    assert _codes(examine_package(target, HOST, {}), "stops") == ["damaged"]


def test_libraries_for_another_machine_stop(tmp_path: Path) -> None:
    target = package(tmp_path, PLAIN, CUDA_13)
    found = examine_package(target, Host(machine="aarch64", glibc=None, glibcxx=None), {})
    assert _codes(found, "stops") == ["other-machine"]


@pytest.mark.parametrize(
    ("host", "code"),
    [
        (Host(machine="x86_64", glibc=(2, 0), glibcxx=(3, 4, 30)), "glibc-too-new"),
        (Host(machine="x86_64", glibc=(2, 36), glibcxx=(3, 4, 2)), "glibcxx-too-new"),
    ],
)
def test_a_system_older_than_the_build_stops(host: Host, code: str, tmp_path: Path) -> None:
    target = package(tmp_path, PLAIN, CUDA_13)
    source = '#include <stdio.h>\nint main_of(void) { return puts("x"); }\n'
    build(target.lib_dir / "libggml-base.so", source)
    cxx = "extern int _ZNSt6thread6_StateD2Ev; int *use(void) { return &_ZNSt6thread6_StateD2Ev; }"
    build(target.lib_dir / "libggml-cpu.so", cxx, needs=[_libstdcxx()])
    found = examine_package(target, host, {})
    assert _codes(found, "stops") == [code]


def test_another_library_folder_is_noted(tmp_path: Path) -> None:
    target = package(tmp_path, PLAIN, CUDA_13)
    found = examine_package(target, HOST, {"LLAMA_CPP_LIB_PATH": "/opt/llama"})
    assert _codes(found, "note") == ["override"]


@pytest.mark.parametrize(
    ("archs", "sm", "level", "code"),
    [
        (("sm_89", "compute_89"), 89, "fine", "code"),
        (("sm_86",), 89, "fine", "code"),
        (("sm_80", "compute_80"), 90, "note", "from-ptx"),
        (("sm_89",), 90, "stops", "no-code"),
        (("sm_89", "compute_89"), 75, "stops", "no-code"),
        ((), 89, "unclear", "code-unread"),
    ],
)
def test_code_for_the_card(
    archs: tuple[str, ...], sm: int, level: str, code: str, tmp_path: Path
) -> None:
    library = tmp_path / "libggml-cuda.so"
    library.write_bytes(elf_writer.library_with_code(*archs))
    found = examine_code(library, sm, "a card")
    assert (found.level, found.code) == (level, code)


def test_a_card_that_only_cuda_12_compiles_for_is_told_how(tmp_path: Path) -> None:
    library = tmp_path / "libggml-cuda.so"
    library.write_bytes(elf_writer.library_with_code("sm_89"))
    assert "CUDA=12 CUDA_ARCH=70" in examine_code(library, 70, "V100").remedy
    assert "CUDA=12" not in examine_code(library, 75, "T4").remedy


@pytest.mark.parametrize(
    ("driver", "code"),
    [
        ((12, 2), "old-driver-for-ptx"),
        ((12, 4), "from-ptx"),
        ((13, 0), "from-ptx"),
        (None, "from-ptx"),
    ],
)
def test_a_driver_that_cannot_compile_the_packages_ptx_stops(
    driver: tuple[int, int] | None, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "libggml-cuda.so"
    library.write_bytes(elf_writer.library_with_code("compute_60"))
    monkeypatch.setattr(ptx_release, "read_ptx", lambda *_: ".version 8.4\n.target sm_60\n")
    found = examine_code(library, 60, "P100", driver)
    assert found.code == code
    if code == "old-driver-for-ptx":
        assert "12.2" in found.what and "CUDA=12 CUDA_ARCH=60" in found.remedy


def test_machine_code_asks_for_no_newer_driver(tmp_path: Path) -> None:
    library = tmp_path / "libggml-cuda.so"
    library.write_bytes(elf_writer.library_with_code("sm_60", "compute_60"))
    assert examine_code(library, 60, "P100", (12, 0)).code == "code"


def test_this_system_is_known() -> None:
    host = Host.here()
    assert host.glibc is None or host.glibc > (2, 10)
    assert host.glibcxx is None or host.glibcxx > (3, 4)


def _libstdcxx() -> Path:
    return Path(process.run(["gcc", "-print-file-name=libstdc++.so"]).lines[0])
