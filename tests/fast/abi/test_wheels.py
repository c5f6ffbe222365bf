"""Wheels: what the binary and the wheel's own words say, each planted defect found by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llamaproof.abi.check import check_target
from llamaproof.abi.findings import Result
from llamaproof.errors import BadInput
from llamaproof.reports.outcome import Outcome
from llamaproof.target import open_target
from tests.support.abi.toy_library import only_defect, places
from tests.support.abi.toy_wheel import KERNEL, NVIDIA_PATH, ToyWheel, write_wheel


def _check(folder: Path, *, cuda_arch: tuple[str, ...] | None = None, **spoiled: Any) -> Result:
    wheel = write_wheel(folder, ToyWheel(**spoiled))
    with open_target(str(wheel)) as target:
        return check_target(target, headers=(), cuda_arch=cuda_arch)


def test_a_wheel_that_is_right_gives_no_finding_at_all(tmp_path: Path) -> None:
    result = _check(tmp_path)
    assert result.findings == ()
    assert result
    assert result.counts["libraries"] == 2
    assert result.counts["functions"] == 9
    assert len(result.sha256) == 64
    code = result.facts["device_code"]
    assert code["archs"] == {"compute_89": 2, "sm_89": 2}
    (kernel,) = code["attention"]
    assert kernel == {
        "kernel": "flash_attn_ext_f16<576, 512, 4, 16, 8, 2, false, true>",
        "sm": "sm_89",
        "registers": 168,
        "shared_bytes": 2048,
        "stack_bytes": 40,
    }
    assert "flash_attn_ext_f16" in KERNEL


# -- exports ------------------------------------------------------------------------------------


def test_an_exported_function_hidden_is_found(tmp_path: Path) -> None:
    hidden = ("uint64_t llama_size(", '__attribute__((visibility("hidden"))) uint64_t llama_size(')
    found = only_defect(_check(tmp_path, libllama=[hidden]))
    assert (found.code, found.where) == ("function.not-exported", "llama_size")
    assert found.found == "not exported by libllama"


def test_a_library_of_another_build_is_found(tmp_path: Path) -> None:
    mixed = ("int toy_gpu(void);", "int toy_gpu(void); int ggml_gone(void);")
    uses = ("{ toy_gpu(); }", "{ toy_gpu(); ggml_gone(); }")
    found = only_defect(_check(tmp_path, libllama=[mixed, uses]))
    assert (found.code, found.where) == ("library.undefined", "libllama.so")
    assert found.expected.startswith("ggml_gone")


def test_a_function_exported_and_declared_nowhere_cannot_be_checked(tmp_path: Path) -> None:
    result = _check(
        tmp_path,
        libllama=[("int toy_gpu(void);", "int toy_gpu(void); int llama_extra(void) { return 0; }")],
        bindings=[
            (
                "LLAMA_FORMAT = 3\n",
                "LLAMA_FORMAT = 3\nextra = _lib.llama_extra\nextra.restype = None\n",
            )
        ],
    )
    assert [(f.level, f.code) for f in result.findings] == [("unchecked", "function.undeclared")]
    assert result.outcome is Outcome.NOT_CHECKED


def test_a_wheel_without_its_library_is_found(tmp_path: Path) -> None:
    result = _check(tmp_path, bindings=[('"libllama.so"', '"libllama2.so"')])
    assert places(result) == [("module.no-library", "llama_cpp")]


# -- what the wheel says of itself ----------------------------------------------------------------


def test_a_file_name_and_metadata_that_differ_are_found(tmp_path: Path) -> None:
    found = only_defect(_check(tmp_path, file_version="1.1+cu130"))
    assert found.code == "wheel.version"
    assert (found.expected, found.found) == ("1.1+cu130 in the file name", "1.0+cu130 in METADATA")


def test_a_package_version_that_differs_is_found(tmp_path: Path) -> None:
    found = only_defect(_check(tmp_path, package_version="0.9"))
    assert (found.code, found.found) == ("wheel.version", "0.9 in __version__ of the package")


def test_tags_that_differ_are_found(tmp_path: Path) -> None:
    found = only_defect(_check(tmp_path, file_tag="py3-none-manylinux_2_36_x86_64"))
    assert (found.code, found.where) == ("wheel.tags", "tags")


def test_a_file_changed_after_the_wheel_was_made_is_found(tmp_path: Path) -> None:
    init = "llama_cpp/__init__.py,sha256="
    found = only_defect(_check(tmp_path, record=[(init, f"{init}0")]))
    assert found.code == "wheel.record"
    assert "llama_cpp/__init__.py has another hash" in found.found


def test_a_file_at_the_top_level_is_a_note(tmp_path: Path) -> None:
    result = _check(tmp_path, files={"lib/libother.txt": b"x"})
    assert [(f.level, f.code) for f in result.findings] == [("note", "wheel.top-level")]


# -- CUDA -----------------------------------------------------------------------------------------


def test_a_cuda_12_library_in_a_cuda_13_wheel_is_found(tmp_path: Path) -> None:
    result = _check(tmp_path, cudart="libcudart.so.12")
    assert ("library.cuda-major", "libggml-cuda.so") in places(result)
    first = next(f for f in result.defects if f.code == "library.cuda-major")
    assert (first.expected, first.found) == (
        "CUDA 13, by llamaproof.json",
        "needs libcudart.so.12, of CUDA 12",
    )
    assert ("wheel.requires", "libcudart.so.12") in places(result)


def test_libraries_of_two_cuda_versions_are_found_with_nobody_claiming_either(
    tmp_path: Path,
) -> None:
    result = _check(tmp_path, cudart="libcudart.so.12", version="1.0", made_here=False, requires=())
    assert [code for code, _ in places(result)] == ["library.cuda-major"]
    assert "by its other CUDA libraries" in result.defects[0].expected


def test_a_label_that_names_another_cuda_is_found(tmp_path: Path) -> None:
    result = _check(tmp_path, version="1.0+cu121", made_here=False)
    majors = [f for f in result.defects if f.code == "library.cuda-major"]
    assert {f.expected for f in majors} == {"CUDA 12, by the version 1.0+cu121"}


@pytest.mark.parametrize(
    "runtime",
    [
        "nvidia-cuda-runtime-cu12>=12.8",
        "nvidia-cuda-runtime>=12.8",
        "nvidia-cuda-runtime>=13.0.2",
        "nvidia-cuda-nvrtc>=13,<14",
    ],
)
def test_a_requirement_that_does_not_bring_the_runtime_is_found(
    tmp_path: Path, runtime: str
) -> None:
    result = _check(tmp_path, requires=(runtime, "nvidia-cublas>=13,<14"))
    assert places(result) == [("wheel.requires", "libcudart.so.13")]


def test_no_requirement_at_all_leaves_it_to_the_system(tmp_path: Path) -> None:
    result = _check(tmp_path, requires=())
    assert {(f.level, f.code) for f in result.findings} == {("note", "wheel.requires")}


# -- search paths ---------------------------------------------------------------------------------


def test_an_absolute_search_path_is_found(tmp_path: Path) -> None:
    found = only_defect(_check(tmp_path, search_path=f"{NVIDIA_PATH}:/usr/local/cuda/lib64"))
    assert (found.code, found.where) == ("library.rpath", "libggml-cuda.so")
    assert found.found == "/usr/local/cuda/lib64"


def test_a_library_that_does_not_look_beside_itself_is_found(tmp_path: Path) -> None:
    found = only_defect(_check(tmp_path, llama_search_path=""))
    assert (found.code, found.where, found.found) == (
        "library.rpath",
        "libllama.so",
        "no search path",
    )


@pytest.mark.parametrize(
    "path",
    [
        "$ORIGIN",
        "$ORIGIN:$ORIGIN/../nvidia/cu13/lib",
        "$ORIGIN:$ORIGIN/../../nvidia/cu12/lib",
    ],
)
def test_a_library_that_does_not_look_where_pip_puts_cuda_is_found(
    tmp_path: Path, path: str
) -> None:
    result = _check(tmp_path, search_path=path)
    assert {f.expected for f in result.defects} == {
        "$ORIGIN/../../nvidia/cu13/lib among its search paths"
    }


# -- systems it runs on ---------------------------------------------------------------------------


def test_a_symbol_version_newer_than_the_tag_promises_is_found(tmp_path: Path) -> None:
    result = _check(
        tmp_path,
        tag="py3-none-manylinux_2_31_x86_64",
        versions={"libc.so.6": "GLIBC_2.34", "libstdc++.so.6": "GLIBCXX_3.4.28"},
    )
    found = only_defect(result)
    assert (found.code, found.where) == ("library.symbol-version", "libllama.so")
    assert found.found == "needs GLIBC_2.34, GLIBCXX_3.4.28: manylinux_2_34"
    assert result.facts["newest_symbol_versions"] == {"GLIBC": "2.34", "GLIBCXX": "3.4.28"}


def test_a_cxx_runtime_newer_than_any_tag_is_found(tmp_path: Path) -> None:
    result = _check(tmp_path, versions={"libstdc++.so.6": "GLIBCXX_3.4.99"})
    assert "newer than any tag" in only_defect(result).found


def test_an_old_style_tag_promises_its_glibc(tmp_path: Path) -> None:
    result = _check(
        tmp_path, tag="py3-none-manylinux2014_x86_64", versions={"libc.so.6": "GLIBC_2.18"}
    )
    assert only_defect(result).code == "library.symbol-version"


def test_a_library_no_manylinux_promises_is_found(tmp_path: Path) -> None:
    result = _check(tmp_path, versions={"libgomp.so.1": "OMP_1.0"})
    found = only_defect(result)
    assert (found.code, found.found) == ("library.needed", "needs libgomp.so.1")


# -- GPU code -------------------------------------------------------------------------------------


def test_an_sm_missing_everywhere_is_found(tmp_path: Path) -> None:
    result = _check(tmp_path, cuda_arch=("80", "89"))
    assert places(result) == [("device.missing", "sm_80"), ("device.missing", "compute_80")]
    assert result.defects[0].expected == "in all GPU code, by --cuda-arch"


def test_an_sm_missing_in_one_translation_unit_is_found(tmp_path: Path) -> None:
    found = only_defect(_check(tmp_path, last_archs=("compute_89",)))
    assert (found.code, found.where) == ("device.missing", "sm_89")
    assert found.found == "in 1 of 2 translation units"


def test_ptx_missing_is_found(tmp_path: Path) -> None:
    found = only_defect(_check(tmp_path, archs=("sm_89",)))
    assert (found.code, found.where) == ("device.missing", "compute_89")


def test_an_sm_too_many_is_found(tmp_path: Path) -> None:
    found = only_defect(_check(tmp_path, archs=("sm_89", "sm_90", "compute_89")))
    assert (found.code, found.where) == ("device.extra", "sm_90")


def test_gpu_code_in_a_cpu_wheel_is_found(tmp_path: Path) -> None:
    result = _check(tmp_path, cuda_arch=())
    assert places(result) == [("device.extra", "compute_89"), ("device.extra", "sm_89")]
    assert result.defects[0].expected == "no GPU code, by --cuda-arch"


def test_gpu_code_nobody_asked_for_is_a_note(tmp_path: Path) -> None:
    result = _check(tmp_path, made_here=False)
    assert [(f.level, f.code) for f in result.findings] == [("note", "device.unknown")]


def test_an_architecture_that_means_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'sm_89' is no GPU architecture"):
        _check(tmp_path, cuda_arch=("sm_89",))


# -- bindings of the wheel ------------------------------------------------------------------------


def test_a_defect_of_the_bindings_is_found_in_a_wheel_too(tmp_path: Path) -> None:
    result = _check(tmp_path, bindings=[('        ("n_split", ctypes.c_size_t),\n', "")])
    assert places(result) == [("struct.field-missing", "llama_params.n_split")]


def test_a_wheel_that_carries_no_headers_is_refused_with_what_to_do(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, ToyWheel())
    with open_target(str(wheel)) as target:
        assert target.package is not None
        (target.package / "include" / "llama.h").unlink()
        with pytest.raises(BadInput, match="does not carry the headers") as caught:
            check_target(target, headers=())
    assert "--headers DIR" in caught.value.hint


def test_a_folder_of_libraries_alone_shows_nothing_of_the_bindings(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, ToyWheel())
    with open_target(str(wheel)) as target, open_target(str(target.lib_dir)) as libraries:
        result = check_target(libraries, headers=(), cuda_arch=("89",))
    assert result.defects == ()
    assert result.outcome is Outcome.NOT_CHECKED
    assert result.empty == ("structs", "functions")
