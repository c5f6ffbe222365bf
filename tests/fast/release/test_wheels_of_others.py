"""Claims: wheels of any project are held against a policy, and sorted by their binaries."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof.release.candidate import Examined, examine
from llamaproof.release.policy import read_policy
from tests.support import small_libraries
from tests.support.wheel_archive.plain_wheel import PlainWheel

POLICY = """
schema = "llamaproof.release-policy"
version = 1
title = "Others"
reason = "For tests."
[[proof]]
name = "abi"
oldest = 1
reason = "It is asked for."
[[variant]]
name = "cpu"
title = "Without a GPU"
reason = "Everybody."
cuda = { major = "none", reason = "No GPU." }
code = { archs = ["cpu"], reason = "No GPU." }
demands = { profile = "default", reason = "What there is." }
[[variant.platform]]
tag = "any"
reason = "It is small."
"""


def codes(folder: Path, files: dict[str, bytes], *requires: str) -> list[str]:
    """What is said of a wheel of these libraries, but that it has no evidence."""
    return [one.code for one in refusals(folder, files, *requires).refusals][:-1]


def refusals(folder: Path, files: dict[str, bytes], *requires: str) -> Examined:
    path = folder / "release.toml"
    path.write_text(POLICY)
    wheel = PlainWheel(files=files, requires=requires).write(folder / "dist")
    found = examine(wheel, read_policy(path))
    assert found.candidate is None
    return found


@pytest.fixture
def libraries(tmp_path: Path) -> dict[str, Path]:
    """A library that needs one of CUDA, under the name that auditwheel gives it."""
    bundled = small_libraries.build(tmp_path / "l" / "libcudart-9f3b1c2d.so.12.8.90")
    other = small_libraries.build(tmp_path / "l" / "libother.so.1", needs=[bundled])
    nccl = small_libraries.build(tmp_path / "l" / "libnccl.so.2")
    driver = small_libraries.build(tmp_path / "l" / "libcuda.so.1")
    needs_nccl = small_libraries.build(tmp_path / "l" / "libmany.so", needs=[nccl, driver])
    return {path.name: path for path in (bundled, other, nccl, needs_nccl)}


def test_a_wheel_without_a_gpu_lacks_evidence_alone(tmp_path: Path) -> None:
    plain = small_libraries.build(tmp_path / "libplain.so").read_bytes()
    (refusal,) = refusals(tmp_path, {"a_package/libplain.so": plain}).refusals
    assert refusal.code == "evidence.missing"
    assert refusal.outcome.exit_code == 2


def test_a_cuda_library_in_the_wheel_makes_it_one_of_that_cuda(
    tmp_path: Path, libraries: dict[str, Path]
) -> None:
    both = ("libother.so.1", "libcudart-9f3b1c2d.so.12.8.90")
    files = {f"a_package.libs/{name}": libraries[name].read_bytes() for name in both}
    (refusal,) = refusals(tmp_path, files).refusals
    assert refusal.code == "wheel.no-variant"
    assert "it has CUDA 12, no GPU code, for any" in refusal.what


def test_the_driver_is_nobodys_to_bring_and_nccl_is_somebodys(
    tmp_path: Path, libraries: dict[str, Path]
) -> None:
    files = {"a_package/libmany.so": libraries["libmany.so"].read_bytes()}
    (needs, _) = refusals(tmp_path, files).refusals
    assert needs.code == "wheel.needs"
    assert "libmany.so needs libnccl.so.2" in needs.what


def test_a_file_that_is_called_a_library_and_is_none_is_passed_over(tmp_path: Path) -> None:
    assert codes(tmp_path, {"a_package/linker_script.so": b"GROUP ( libx.so.1 )\n"}) == []
