"""A target arrives as it was sent: whole, once, and only if it is the one that was sent."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from llamaproof.errors import BadInput
from llamaproof.spread.parcel import packed, unpacked
from llamaproof.target import open_target
from llamaproof.target.libraries import linux_libraries
from tests.support.spread.clusters import a_wheel


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_wheel_arrives_with_its_name_version_and_hash(tmp_path: Path) -> None:
    with a_wheel(tmp_path) as sent:
        label, data = packed(sent)
        assert data == (tmp_path / sent.name).read_bytes() and label.sha256 == sent.sha256
        got = unpacked(label, data, tmp_path / "kept")
        assert (got.name, got.kind, got.version, got.sha256) == (
            sent.name, "wheel", "1.0", sent.sha256,
        )  # fmt: skip
        assert got.package is not None and sent.package is not None
        assert files(got.package) == files(sent.package)


def test_a_folder_of_libraries_arrives_with_the_names_that_each_file_has(tmp_path: Path) -> None:
    libraries, elsewhere = tmp_path / "libraries", tmp_path / "elsewhere"
    libraries.mkdir()
    elsewhere.mkdir()
    (libraries / "libllama.so.0").write_text("llama")
    (libraries / "libllama.so").symlink_to("libllama.so.0")
    (elsewhere / "libggml.so").write_text("ggml")
    (libraries / "libggml.so").symlink_to(elsewhere / "libggml.so")
    with open_target(str(libraries)) as sent:
        label, data = packed(sent)
        got = unpacked(label, data, tmp_path / "kept")
        assert (got.name, got.kind, got.sha256) == (str(libraries), "libraries", None)
        assert [path.name for path in got.libraries] == [path.name for path in sent.libraries]
        assert len(linux_libraries(got)) == len(linux_libraries(sent)) == 2
        assert (got.lib_dir / "libggml.so").read_text() == "ggml"
        assert packed(sent) == (label, data)


def test_an_installed_package_arrives_with_the_libraries_beside_it(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "llama_cpp"
    (package / "lib").mkdir(parents=True)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "llama_cpp.pyc").write_text("of this machine")
    (package / "llama_cpp.py").write_text("")
    (package / "lib" / "libllama.so").write_text("llama")
    beside = package.parent / "llama_cpp_python.libs"
    beside.mkdir()
    (beside / "libgomp.so.1").write_text("gomp")
    (package.parent / "numpy").mkdir()
    (package.parent / "numpy" / "core.py").write_text("")
    with open_target(str(package.parent)) as sent:
        got = unpacked(*packed(sent), tmp_path / "kept")
    assert got.package is not None and got.kind == "package"
    assert files(got.package.parent) == [
        "llama_cpp/lib/libllama.so", "llama_cpp/llama_cpp.py", "llama_cpp_python.libs/libgomp.so.1",
    ]  # fmt: skip


def test_planted_a_changed_byte_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    with a_wheel(tmp_path) as sent:
        label, data = packed(sent)
    kept = tmp_path / "kept"
    with pytest.raises(BadInput, match="what arrived is not what was sent"):
        unpacked(label, data[:-1] + bytes([data[-1] ^ 1]), kept)
    assert [path.name for path in kept.iterdir()] == [f"{label.sha256}.lock"]


def test_planted_what_cannot_be_unpacked_whole_is_not_kept(tmp_path: Path) -> None:
    with a_wheel(tmp_path) as sent:
        label, _ = packed(sent)
    cut = b"no archive"
    broken = replace(label, sha256=hashlib.sha256(cut).hexdigest())
    kept = tmp_path / "kept"
    with pytest.raises(BadInput, match="not a readable wheel"):
        unpacked(broken, cut, kept)
    assert [path.name for path in kept.iterdir()] == [f"{broken.sha256}.lock"]


def test_what_is_there_is_not_unpacked_again(tmp_path: Path) -> None:
    with a_wheel(tmp_path) as sent:
        label, data = packed(sent)
    first = unpacked(label, data, tmp_path / "kept")
    (first.lib_dir / "a mark").touch()
    again = unpacked(label, b"not looked at", tmp_path / "kept")
    assert again == first and (again.lib_dir / "a mark").exists()
