"""The wheel: one package, one version, relative paths, made of what the source's backend packed."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from dataclasses import replace
from email.parser import BytesParser
from pathlib import Path

import pytest
from auditwheel.architecture import Architecture
from auditwheel.libc import Libc
from auditwheel.policy import WheelPolicies
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

from build_tools.materials.sbom import FILE_NAME as SBOM
from build_tools.materials.sbom import libraries_of
from build_tools.toolkit.arch import parse_arch
from build_tools.toolkit.driver_stub import DRIVER_SYMBOLS, build_driver_stub
from build_tools.toolkit.toolkit import Toolkit
from build_tools.wheel import pack, steps
from build_tools.wheel.contents import WheelContents
from build_tools.wheel.inside import add_parts
from build_tools.wheel.metadata import cuda_requirements
from build_tools.wheel.pack import complete_wheel
from build_tools.wheel.platform_tag import platform_for
from build_tools.wheel.unpacked import UnpackedWheel
from llamaproof.binary.elf import read_elf
from llamaproof.binary.manylinux import glibc_of, oldest_platform
from llamaproof.errors import BadInput, LlamaproofError
from llamaproof.process import run
from tests.support.build_tools.small_source import COMPILED, small_tree, write_small_source
from tests.support.wheel_facts import MAKING

VERSION = "0.3.16+llamaproof.2.gabc.cu130.sm89"


def toolkit(version: str = "13.0") -> Toolkit:
    return Toolkit(
        root=Path("none"), version=version, build=f"{version}.1", archs=(89,), recipe=None
    )


def library(path: Path) -> None:
    source = path.with_suffix(".c")
    source.write_text("int answer(void) { return 42; }\n")
    soname = f"-Wl,-soname,{path.name}"
    run(("cc", "-shared", "-fPIC", "-Wl,-rpath,/somewhere/else", soname, "-o", path, source))
    source.unlink()


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A wheel as scikit-build-core leaves it, of two libraries."""
    folder = tmp_path / "made" / "llama_cpp_python-0.3.16"
    lib = folder / "llama_cpp" / "lib"
    lib.mkdir(parents=True)
    (folder / "llama_cpp" / "__init__.py").write_text('__version__ = "0.3.16"\n')
    for name in ("libllama.so", "libggml-cuda.so"):
        library(lib / name)
    info = folder / "llama_cpp_python-0.3.16.dist-info"
    (info / "licenses").mkdir(parents=True)
    (info / "licenses" / "LICENSE.md").write_text("MIT\n")
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: llama_cpp_python\nVersion: 0.3.16\n"
        "Summary: Small \u2713\nRequires-Dist: numpy>=1.20.0\n"
        "\nFrom here on\nnothing changes \u2713\n"
    )
    (info / "WHEEL").write_text(
        "Wheel-Version: 1.0\nGenerator: a backend\nRoot-Is-Purelib: false\n"
        "Tag: py3-none-linux_x86_64\n"
    )
    run((sys.executable, "-m", "wheel", "pack", folder, "--dest-dir", folder.parent))
    return next(folder.parent.glob("*.whl"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_small_source(tmp_path / "tree")


def contents(tree: Path, *, cuda: bool = True, not_reproducible: str = "") -> WheelContents:
    return WheelContents(
        tree=small_tree(tree),
        label="llamaproof.2.gabc.cu130.sm89" if cuda else "llamaproof.2.gabc.cpu",
        archs=parse_arch("89" if cuda else "cpu"),
        toolkit=toolkit() if cuda else None,
        making=replace(MAKING, reproducible=not_reproducible or True),
        compiled=COMPILED,
    )


@pytest.fixture
def wheel(made: Path, tree: Path, tmp_path: Path) -> Path:
    return complete_wheel(made, contents(tree), tmp_path / "dist")


def member(wheel: Path, ending: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(ending))
        return archive.read(name)


def test_file_name_metadata_and_package_state_one_version(wheel: Path) -> None:
    _, version, _, tags = parse_wheel_filename(wheel.name)
    metadata = BytesParser().parsebytes(member(wheel, "METADATA"))
    assert str(version) == metadata["Version"] == VERSION
    assert f'__version__ = "{version}"'.encode() in member(wheel, "llama_cpp/__init__.py")
    (tag,) = tags
    assert f"Tag: {tag}\n".encode() in member(wheel, f"{VERSION}.dist-info/WHEEL")
    assert (tag.interpreter, tag.abi) == ("py3", "none")
    assert tag.platform.startswith("manylinux_2_")


def test_what_the_source_says_of_itself_is_kept_letter_by_letter(wheel: Path) -> None:
    metadata = member(wheel, "METADATA").decode()
    assert "Summary: Small \u2713\n" in metadata
    assert metadata.endswith("\n\nFrom here on\nnothing changes \u2713\n")
    assert member(wheel, "licenses/llama-cpp-python/LICENSE.md") == b"MIT\n"
    assert b"Generator: a backend\n" in member(wheel, "dist-info/WHEEL")


def test_nothing_stands_beside_the_package_at_the_top_level(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}
    assert top == {"llama_cpp", f"llama_cpp_python-{VERSION}.dist-info"}


def test_headers_that_the_bindings_repeat_travel_with_them(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        headers = {n for n in archive.namelist() if n.endswith(".h")}
    assert headers == {"llama_cpp/include/llama.h"}


def test_cuda_comes_as_dependencies_of_the_builds_major_version(wheel: Path) -> None:
    metadata = BytesParser().parsebytes(member(wheel, "METADATA"))
    needs = {r.name: r for r in map(Requirement, metadata.get_all("Requires-Dist", []))}
    assert {"numpy", "nvidia-cuda-runtime", "nvidia-cublas"} == set(needs)
    assert "13.9" in needs["nvidia-cuda-runtime"].specifier
    assert "14.0" not in needs["nvidia-cuda-runtime"].specifier
    assert "12.9" not in needs["nvidia-cublas"].specifier


def test_a_cuda_12_build_asks_for_the_packages_of_cuda_12() -> None:
    names = {Requirement(text).name for text in cuda_requirements(toolkit("12.8"))}
    assert names == {"nvidia-cuda-runtime-cu12", "nvidia-cublas-cu12"}


def test_every_search_path_is_relative_to_the_library(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "unpacked")
    libraries = list((tmp_path / "unpacked").rglob("lib*.so*"))
    assert {"libllama.so", "libggml-cuda.so", "libgomp.so.1"} <= {p.name for p in libraries}
    for path in libraries:
        assert all(entry.startswith("$ORIGIN") for entry in read_elf(path).runpath), path.name
    cuda = read_elf(next(p for p in libraries if p.name == "libggml-cuda.so"))
    assert "$ORIGIN/../../nvidia/cu13/lib" in cuda.runpath


def test_a_wheel_whose_compile_was_not_enclosed_says_why_it_is_not_reproducible(
    made: Path, tree: Path, tmp_path: Path
) -> None:
    def said(name: str, reason: str) -> object:
        wheel = complete_wheel(made, contents(tree, not_reproducible=reason), tmp_path / name)
        return json.loads(member(wheel, "llama_cpp/llamaproof.json"))["reproducible"]

    assert said("a", "unshare is not permitted") == "unshare is not permitted"
    assert said("b", "") is True


def test_every_licence_file_is_listed_and_there(wheel: Path) -> None:
    metadata = BytesParser().parsebytes(member(wheel, "METADATA"))
    assert metadata["Metadata-Version"] == "2.4" and metadata["License"] is None
    assert "MIT" in metadata["License-Expression"]
    assert "GPL-3.0-or-later WITH GCC-exception-3.1" in metadata["License-Expression"]
    listed = metadata.get_all("License-File", [])
    with zipfile.ZipFile(wheel) as archive:
        there = {n.partition("/licenses/")[2] for n in archive.namelist() if "/licenses/" in n}
    assert set(listed) == there and len(listed) == len(there)
    assert {"llama-cpp-python/LICENSE.md", "llama.cpp/LICENSE", "libgomp/COPYING3.txt"} <= there
    assert not [c for c in metadata.get_all("Classifier", []) if c.startswith("License")]


def test_the_sbom_names_every_library_of_the_wheel(wheel: Path) -> None:
    sbom = member(wheel, f".dist-info/sboms/{SBOM}").decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom) is None
    with zipfile.ZipFile(wheel) as archive:
        libraries = {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if archive.read(name).startswith(b"\x7fELF")
        }
    assert libraries_of(sbom) == libraries and len(libraries) == 4


def test_a_library_that_nothing_accounts_for_is_refused(
    made: Path, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add_another(wheel: UnpackedWheel, _contents: WheelContents) -> None:
        library(wheel.libraries / "libextra.so")

    monkeypatch.setattr(pack, "STEPS", (add_another, *steps.STEPS))
    with pytest.raises(LlamaproofError, match=r"llama_cpp/lib/libextra\.so"):
        complete_wheel(made, contents(tree), tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize("change", ["another", "changed", "gone"])
def test_a_library_that_changes_after_the_sbom_is_refused(
    made: Path, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    def meddle(wheel: UnpackedWheel, _contents: WheelContents) -> None:
        library(wheel.libraries / ("libggml-new.so" if change == "another" else "libllama.so"))
        if change == "gone":
            (wheel.libraries / "libllama.so").unlink()

    place = steps.STEPS.index(add_parts) + 1
    changed = (*steps.STEPS[:place], meddle, *steps.STEPS[place:])
    monkeypatch.setattr(pack, "STEPS", changed)
    with pytest.raises(LlamaproofError, match="the SBOM does not name"):
        complete_wheel(made, contents(tree), tmp_path / "dist")


def test_record_lists_every_other_member_with_its_hash(wheel: Path) -> None:
    rows = [line.split(",") for line in member(wheel, "RECORD").decode().splitlines()]
    with zipfile.ZipFile(wheel) as archive:
        assert {row[0] for row in rows} == set(archive.namelist())
    assert all(hash_.startswith("sha256=") for name, hash_, _ in rows if name[-6:] != "RECORD")


def test_times_and_modes_are_no_ones_own(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        members = [m for m in archive.infolist() if not m.filename.endswith("RECORD")]
    assert {m.date_time for m in members} == {(1980, 1, 1, 0, 0, 0)}
    modes = {m.filename: m.external_attr >> 16 & 0o777 for m in members}
    assert modes["llama_cpp/lib/libllama.so"] == 0o755
    assert modes["llama_cpp/__init__.py"] == 0o644


def test_a_cpu_wheel_has_no_cuda_needs_and_no_stand_in_for_the_driver(
    made: Path, tree: Path, tmp_path: Path
) -> None:
    wheel = complete_wheel(made, contents(tree, cuda=False), tmp_path / "dist")
    assert b"nvidia" not in member(wheel, "METADATA")
    with zipfile.ZipFile(wheel) as archive:
        assert not [n for n in archive.namelist() if "no-driver" in n]


def test_a_source_of_another_version_is_refused_and_leaves_no_wheel(
    made: Path, tree: Path, tmp_path: Path
) -> None:
    later = small_tree(tree)
    later = replace(later, pin=replace(later.pin, version="0.3.17"))
    with pytest.raises(LlamaproofError, match=r"0\.3\.17"):
        complete_wheel(made, replace(contents(tree), tree=later), tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def test_the_platform_is_the_oldest_that_has_what_the_libraries_need() -> None:
    def platform(*versions: str) -> str:
        return platform_for({"liba.so": {"GLIBC_2.2.5"}, "libb.so": set(versions)})

    assert platform("GLIBC_2.17") == "manylinux_2_17_x86_64"
    assert platform("GLIBC_2.17", "GLIBC_2.34") == "manylinux_2_34_x86_64"
    assert platform("GLIBC_2.17", "GLIBCXX_3.4.30", "GCC_12.0.0") == "manylinux_2_35_x86_64"
    with pytest.raises(BadInput, match=r"newer than any manylinux platform(.|\n)*GLIBC_2\.99"):
        platform("GLIBC_2.99")


def test_what_a_platform_promises_is_known_alike_where_wheels_are_built_and_checked() -> None:
    policies = WheelPolicies(libc=Libc.GLIBC, arch=Architecture.x86_64)
    checked = [p for p in policies if (glibc_of(p.name) or (0,)) >= (2, 17)]
    assert len(checked) >= 7
    for policy in checked:
        needed = {
            f"{family}_{version}"
            for family in ("GLIBC", "GLIBCXX", "CXXABI", "GCC")
            for version in policy.symbol_versions[family]
        }
        assert platform_for({"liba.so": needed}) == oldest_platform(needed), policy.name


def test_the_stand_in_driver_has_what_ggml_links_to(tmp_path: Path) -> None:
    stub = tmp_path / "libcuda.so.1"
    build_driver_stub(stub)
    elf = read_elf(stub)
    assert elf.soname == "libcuda.so.1"
    assert set(DRIVER_SYMBOLS) <= elf.exports
    assert [p.name for p in tmp_path.iterdir()] == [stub.name]
