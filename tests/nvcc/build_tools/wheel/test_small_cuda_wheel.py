"""Claims: a source with a kernel goes all the way to a CUDA wheel, the same bytes from two folders.

Really built, with the pinned toolkit, from a source of six small files.
"""

from __future__ import annotations

import json
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from build_tools.toolkit.arch import parse_arch
from build_tools.toolkit.settings import ToolkitSettings
from build_tools.toolkit.toolkit import ensure_toolkit
from build_tools.wheel.build import BuiltWheel, Run, build_from
from build_tools.wheel.inputs import Inputs
from llamaproof.files import sha256_of
from tests.support.build_tools.small_source import small_tree, write_small_source
from tests.support.needs import CHECKOUT


def build(folder: Path) -> BuiltWheel:
    folder.mkdir()
    tree = write_small_source(folder / "tree")
    toolkit = ensure_toolkit(CHECKOUT, ToolkitSettings())
    inputs = Inputs(tree=small_tree(tree), archs=parse_arch("89"), toolkit=toolkit)
    run = Run(jobs=2, cached=False, objects=folder / "objects", out=folder / "dist")
    return build_from(CHECKOUT, inputs, run)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltWheel:
    return build(tmp_path_factory.mktemp("built") / "one")


def test_another_folder_gives_the_same_bytes(built: BuiltWheel, tmp_path: Path) -> None:
    if built.not_reproducible:
        pytest.skip(f"no private mount namespace here: {built.not_reproducible}")
    other = build(tmp_path / "another folder with a longer name")
    assert sha256_of(other.path) == sha256_of(built.path)


def test_the_wheel_asks_for_cuda_and_says_what_made_it(built: BuiltWheel) -> None:
    assert "+llamaproof.2.gabc00000.cu130.sm89-py3-none-manylinux_2_" in built.path.name
    with zipfile.ZipFile(built.path) as archive:
        members = {name.rsplit("/", 1)[-1]: name for name in archive.namelist()}
        metadata = message_from_bytes(archive.read(members["METADATA"]))
        facts = json.loads(archive.read(members["llamaproof.json"]))
        [bom] = [json.loads(archive.read(n)) for n in archive.namelist() if "/sboms/" in n]
    needs = metadata.get_all("Requires-Dist", [])
    assert sum(need.startswith(("nvidia-cuda-runtime", "nvidia-cublas")) for need in needs) == 2
    assert {"libggml-cuda.so", "libgomp.so.1", "libcuda.so.1"} <= members.keys()
    assert facts["cuda"] == "13.0" and facts["cuda_arch"] == ["89"]
    assert "nvcc" in facts["made_with"] and facts["toolkit"]
    named = {component["name"] for component in bom["components"]}
    assert {"llama.cpp", "libgomp", "nvidia-cuda-cccl"} <= named
