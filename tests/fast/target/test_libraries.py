"""A target without libraries for this machine is said to have none, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof.errors import BadInput
from llamaproof.target import Target
from llamaproof.target.libraries import linux_libraries


def target(folder: Path, *, package: Path | None = None) -> Target:
    return Target(
        name="given",
        kind="libraries" if package is None else "wheel",
        package=package,
        lib_dir=folder,
        version=None,
        sha256=None,
    )


def test_a_file_with_several_names_comes_once(tmp_path: Path) -> None:
    (tmp_path / "libggml-base.so.0.9").write_bytes(b"")
    (tmp_path / "libggml-base.so.0").symlink_to("libggml-base.so.0.9")
    (tmp_path / "libggml-base.so").symlink_to("libggml-base.so.0")
    (tmp_path / "libllama.so").write_bytes(b"")
    found = linux_libraries(target(tmp_path))
    assert {path.resolve().name for path in found} == {"libggml-base.so.0.9", "libllama.so"}
    assert len(found) == 2


@pytest.mark.parametrize(
    ("name", "platform"), [("llama.dll", "Windows"), ("libllama.dylib", "macOS")]
)
def test_a_wheel_for_another_platform_is_named(tmp_path: Path, name: str, platform: str) -> None:
    package = tmp_path / "llama_cpp"
    (package / "lib").mkdir(parents=True)
    (package / "lib" / name).write_bytes(b"MZ")
    with pytest.raises(BadInput, match=f"the libraries are {platform}'s"):
        linux_libraries(target(package / "lib", package=package))


def test_a_package_without_libraries_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there are no llama\.cpp libraries"):
        linux_libraries(target(tmp_path / "lib", package=tmp_path))
