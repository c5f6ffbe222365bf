"""Claims: what each package of a toolkit leaves in a wheel is known, and its terms go along."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from build_tools.materials.cuda import own_toolkit_part, toolkit_parts
from build_tools.toolkit.debian import load_package
from build_tools.toolkit.recipes import RECIPES, Recipe
from llamaproof.errors import LlamaproofError
from llamaproof.wheel_contents import ToolkitPackage

CHECKOUT = Path(__file__).parents[4]


def package(name: str, version: str = "1.0", *, deb: bool = False) -> ToolkitPackage:
    kind = "deb" if deb else "pypi"
    return ToolkitPackage(
        type="deb" if kind == "deb" else "pypi", name=name, version=version, sha256="a" * 64
    )


def installed(folder: Path, *packages: ToolkitPackage) -> Path:
    """The `*.dist-info` of each package, as pip leaves it."""
    for each in packages:
        info = folder / f"{each.name.replace('-', '_')}-{each.version}.dist-info" / "licenses"
        info.mkdir(parents=True)
        (info / "License.txt").write_text("NVIDIA's terms\n")
    cub = folder / "nvidia" / "include" / "cccl" / "cub"
    cub.mkdir(parents=True)
    (cub / "cub.cuh").write_text("// Copyright (c) Somebody\n#pragma once\n")
    return folder


def packages_named_by(recipe: Recipe) -> list[ToolkitPackage]:
    found = []
    for lock in recipe.lock_files(CHECKOUT):
        if lock.suffix == ".lock":
            pairs = re.findall(r"^([\w-]+)(?:\[\S+\])?==(\S+)", lock.read_text(), re.MULTILINE)
            found += [package(name, version) for name, version in pairs]
        else:
            found.append(package(load_package(lock).package, deb=True))
    return found


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_each_package_of_each_toolkit_is_known(recipe: Recipe, tmp_path: Path) -> None:
    packages = packages_named_by(recipe)
    folder = installed(tmp_path, *(p for p in packages if p.type == "pypi"))
    parts = list(toolkit_parts(tuple(packages), folder))
    assert len(parts) == len(packages) >= 5
    inside = {part.name.removesuffix("-cu12"): part for part in parts if part.use == "inside"}
    assert {"nvidia-cuda-cccl", "nvidia-cuda-runtime"} <= set(inside)
    assert all(part.texts for part in inside.values())
    assert "CUB-BSD-3-Clause.txt" in inside["nvidia-cuda-cccl"].texts
    assert all(part.sha256 == "a" * 64 for part in parts)


def test_a_package_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LlamaproofError, match="whether nvidia-new leaves code"):
        list(toolkit_parts((package("nvidia-new"),), tmp_path))


def test_a_package_without_its_terms_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LlamaproofError, match="nvidia-cuda-runtime came without its licence"):
        list(toolkit_parts((package("nvidia-cuda-runtime"),), tmp_path))


def test_debians_package_is_named_as_debians(tmp_path: Path) -> None:
    folder = installed(tmp_path, package("nvidia-cuda-runtime-cu12"))
    packages = (package("nvidia-cuda-toolkit", "12.4~1", deb=True), package("cuda-toolkit-cu12"))
    debian, _ = toolkit_parts(packages, folder)
    assert debian.purl == "pkg:deb/debian/nvidia-cuda-toolkit@12.4~1?arch=amd64"
    assert debian.use == "inside" and debian.texts


def test_a_toolkit_of_the_users_own_takes_its_terms_along(tmp_path: Path) -> None:
    assert "License.txt" not in own_toolkit_part("12.8", tmp_path).texts
    (tmp_path / "EULA.txt").write_text("terms\n")
    part = own_toolkit_part("12.8", tmp_path)
    assert part.texts["License.txt"] == "terms\n" and part.version == "12.8"


WHOLE = "/***\n * Copyright (c) 2011, Somebody.\n *\n * Redistribution and use in source\n ***/\n"


@pytest.mark.parametrize(("header", "kept"), [(WHOLE, False), ("// Copyright (c) 2011\n", True)])
def test_cubs_copyright_comes_with_the_whole_licence(
    tmp_path: Path, header: str, kept: bool
) -> None:
    (tmp_path / "include" / "cub").mkdir(parents=True)
    (tmp_path / "include" / "cub" / "cub.cuh").write_text(f"{header}\n#pragma once\n")
    text = own_toolkit_part("12.8", tmp_path).texts["CUB-BSD-3-Clause.txt"]
    assert text.startswith("Copyright (c) 2011") and "Redistribution and use" in text
    assert ("Neither the name of the copyright holder" in text) == kept
    assert "pragma" not in text and "*" not in text
