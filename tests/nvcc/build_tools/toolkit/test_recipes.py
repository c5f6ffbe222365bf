"""Claims: of each toolkit that is installed, its nvcc is the release and knows the architectures
that its recipe says."""

import pytest

from build_tools.toolkit.recipes import RECIPES, Recipe
from build_tools.toolkit.toolkit import nvcc_build
from llamaproof.process import run
from tests.support.needs import CHECKOUT


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_says_what_its_nvcc_says(recipe: Recipe) -> None:
    nvcc = recipe.folder(CHECKOUT) / recipe.root / "bin" / "nvcc"
    if not nvcc.exists():
        pytest.skip(f"not installed: python -m build_tools toolkit CUDA={recipe.name}")
    listed = sorted(int(line.split("_")[1]) for line in run((nvcc, "--list-gpu-arch")).lines)
    assert tuple(listed) == recipe.archs
    assert nvcc_build(nvcc).startswith(f"{recipe.version}.")
    header = (nvcc.parents[1] / "include/crt/host_config.h").read_text(encoding="utf-8")
    assert f"#if __GNUC__ > {recipe.newest_gcc}\n" in header
