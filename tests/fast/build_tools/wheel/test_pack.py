"""The wheel: one package, one version, relative paths, the same bytes each time."""

import subprocess
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

from build_tools.toolkit.arch import parse_arch
from build_tools.toolkit.driver_stub import DRIVER_SYMBOLS, build_driver_stub
from build_tools.toolkit.toolkit import Toolkit
from build_tools.wheel.contents import WheelContents
from build_tools.wheel.metadata import cuda_requirements
from build_tools.wheel.pack import write_wheel
from llamaproof.binary.elf import read_elf
from llamaproof.errors import LlamaproofError

PYPROJECT = """
[build-system]
requires = ["scikit-build-core[pyproject]>=0.9.2"]
build-backend = "scikit_build_core.build"
[project]
name = "llama_cpp_python"
dynamic = ["version"]
dependencies = ["numpy>=1.20.0"]
requires-python = ">=3.8"
[tool.scikit-build]
wheel.packages = ["llama_cpp"]
[tool.scikit-build.metadata.version]
provider = "scikit_build_core.metadata.regex"
input = "llama_cpp/__init__.py"
"""


def toolkit(version: str = "13.0") -> Toolkit:
    return Toolkit(root=Path("none"), version=version, archs=(89,), recipe=None)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    package = folder / "llama_cpp"
    package.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "LICENSE.md").write_text("MIT\n")
    (package / "__init__.py").write_text('__version__ = "0.3.16"\n')
    (package / "llama_cpp.py").write_text("x = 1\n")
    include = folder / "vendor" / "llama.cpp" / "include"
    include.mkdir(parents=True)
    (include / "llama.h").write_text("int llama(void);\n")
    (include / "unrelated.h").write_text("\n")
    return folder


def library(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{name}.c"
    source.write_text("int answer(void) { return 42; }\n")
    path = folder / f"{name}.so"
    command = ["cc", "-shared", "-fPIC", "-Wl,-rpath,/somewhere/else", f"-Wl,-soname,{path.name}"]
    subprocess.run([*command, "-o", path, source], check=True)
    return path


def contents(libraries: tuple[Path, ...], *, cuda: bool = True) -> WheelContents:
    return WheelContents(
        version="0.3.16",
        label="llamaproof.2.gabc.cu130.sm89" if cuda else "llamaproof.2.gabc.cpu",
        libraries=libraries,
        archs=parse_arch("89" if cuda else "cpu"),
        toolkit=toolkit() if cuda else None,
        record={"pin": "llama-cpp-python-0.3.16", "series": ["0001-a.patch"]},
    )


@pytest.fixture
def wheel(tree: Path, tmp_path: Path) -> Path:
    built = tmp_path / "built"
    libraries = (library(built, "libllama"), library(built, "libggml-cuda"))
    return write_wheel(tree, contents(libraries), tmp_path / "dist")


def member(wheel: Path, ending: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(ending))
        return archive.read(name).decode()


def test_file_name_metadata_and_package_state_one_version(wheel: Path) -> None:
    _, version, _, tags = parse_wheel_filename(wheel.name)
    metadata = Parser().parsestr(member(wheel, "METADATA"))
    assert str(version) == metadata["Version"] == "0.3.16+llamaproof.2.gabc.cu130.sm89"
    assert f'__version__ = "{version}"' in member(wheel, "llama_cpp/__init__.py")
    (tag,) = tags
    assert f"Tag: {tag}\n" in member(wheel, "dist-info/WHEEL")
    assert (tag.interpreter, tag.abi) == ("py3", "none")
    assert tag.platform.startswith("manylinux_2_")


def test_nothing_stands_beside_the_package_at_the_top_level(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}
    assert top == {"llama_cpp", "llama_cpp_python-0.3.16+llamaproof.2.gabc.cu130.sm89.dist-info"}


def test_headers_that_the_bindings_repeat_travel_with_them(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        headers = {n for n in archive.namelist() if n.endswith(".h")}
    assert headers == {"llama_cpp/include/llama.h"}


def test_cuda_comes_as_dependencies_of_the_builds_major_version(wheel: Path) -> None:
    metadata = Parser().parsestr(member(wheel, "METADATA"))
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


def test_two_wheels_of_the_same_inputs_are_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    libraries = (library(tmp_path / "built", "libllama"),)
    first = write_wheel(tree, contents(libraries), tmp_path / "a").read_bytes()
    (tree / "llama_cpp" / "llama_cpp.py").touch()
    second = write_wheel(tree, contents(libraries), tmp_path / "b").read_bytes()
    assert first == second


def test_record_lists_every_other_member_with_its_hash(wheel: Path) -> None:
    rows = [line.split(",") for line in member(wheel, "RECORD").splitlines()]
    with zipfile.ZipFile(wheel) as archive:
        assert {row[0] for row in rows} == set(archive.namelist())
    assert all(hash_.startswith("sha256=") for name, hash_, _ in rows if name[-6:] != "RECORD")


def test_a_cpu_wheel_has_no_cuda_needs_and_no_stand_in_for_the_driver(
    tree: Path, tmp_path: Path
) -> None:
    libraries = (library(tmp_path / "built", "libllama"),)
    wheel = write_wheel(tree, contents(libraries, cuda=False), tmp_path / "dist")
    assert "nvidia" not in member(wheel, "METADATA")
    with zipfile.ZipFile(wheel) as archive:
        assert not [n for n in archive.namelist() if "no-driver" in n]


def test_a_source_of_another_version_is_refused_and_leaves_no_wheel(
    tree: Path, tmp_path: Path
) -> None:
    (tree / "llama_cpp" / "__init__.py").write_text('__version__ = "0.3.17"\n')
    libraries = (library(tmp_path / "built", "libllama"),)
    with pytest.raises(LlamaproofError, match=r"0\.3\.16"):
        write_wheel(tree, contents(libraries), tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def test_the_stand_in_driver_has_what_ggml_links_to(tmp_path: Path) -> None:
    stub = tmp_path / "libcuda.so.1"
    build_driver_stub(stub)
    elf = read_elf(stub)
    assert elf.soname == "libcuda.so.1"
    assert set(DRIVER_SYMBOLS) <= elf.exports
    assert [p.name for p in tmp_path.iterdir()] == [stub.name]
