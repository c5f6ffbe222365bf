"""The toolkit: the user's where CUDA_HOME names one, else a pinned one, whole or not at all."""

from pathlib import Path

import pytest

from build_tools.toolkit import pinned, toolkit
from build_tools.toolkit.recipes import CUDA12, DEFAULT, RECIPES, Recipe
from build_tools.toolkit.settings import ToolkitSettings, toolkit_settings
from build_tools.wheel.environment import build_environment
from llamaproof.errors import BadInput, CommandFailed, LlamaproofError
from tests.support.build_tools.fake_toolkits import write_nvcc
from tests.support.needs import CHECKOUT


def test_cuda_home_is_taken_with_its_own_version_and_architectures(tmp_path: Path) -> None:
    write_nvcc(tmp_path, "12.8.93")
    found = toolkit.ensure_toolkit(tmp_path, ToolkitSettings(home=tmp_path))
    assert (found.version, found.major, found.archs, found.pinned) == ("12.8", 12, (70, 89), False)


@pytest.mark.parametrize("cuda", ["12", "12.8"])
def test_what_is_said_of_cuda_home_is_held_against_it(tmp_path: Path, cuda: str) -> None:
    write_nvcc(tmp_path, "12.8.93")
    assert toolkit.known_archs(ToolkitSettings(home=tmp_path, cuda=cuda)) == (70, 89)
    for other in ("13", "12.4", "1"):
        with pytest.raises(BadInput, match=f"CUDA={other} was asked for, and CUDA_HOME holds"):
            toolkit.ensure_toolkit(tmp_path, ToolkitSettings(home=tmp_path, cuda=other))


def test_a_cuda_home_without_nvcc_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="CUDA_HOME names no CUDA toolkit"):
        toolkit.ensure_toolkit(tmp_path, ToolkitSettings(home=tmp_path / "nothing"))


def test_an_nvcc_that_does_not_say_its_release_is_refused(tmp_path: Path) -> None:
    write_nvcc(tmp_path, "unknown")
    with pytest.raises(BadInput, match="does not say its release"):
        toolkit.nvcc_build(tmp_path / "bin" / "nvcc")


def test_the_word_goes_before_the_environment_and_names_a_recipe() -> None:
    assert toolkit_settings({"CUDA": "12"}, {"CUDA": "13"}).cuda == "12"
    assert toolkit_settings({}, {"CUDA": "13"}).cuda == "13"
    assert toolkit_settings({}, {"CUDA": "", "CUDA_HOME": ""}) == ToolkitSettings()
    with pytest.raises(BadInput, match="CUDA=11 names no toolkit") as caught:
        toolkit_settings({"CUDA": "11"}, {})
    assert "12: CUDA 12.4" in caught.value.hint and "CUDA_HOME" in caught.value.hint
    with pytest.raises(BadInput, match="CUDA_DEB names no file"):
        toolkit_settings({"CUDA_DEB": "/nowhere.deb"}, {})


def test_cuda_12_compiles_for_pascal_and_volta_and_13_does_not() -> None:
    assert {60, 61, 70} <= set(toolkit.known_archs(ToolkitSettings(cuda="12")))
    assert not {60, 61, 70} & set(toolkit.known_archs(ToolkitSettings()))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_locks_of_a_recipe_are_there_and_name_no_address(recipe: Recipe) -> None:
    for lock in recipe.lock_files(CHECKOUT):
        text = lock.read_text(encoding="utf-8")
        assert "sha256" in text
        assert "://" not in text


def test_another_lock_is_installed_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    for name in CUDA12.locks:
        (tmp_path / "requirements" / name).write_text("one")
    before = CUDA12.folder(tmp_path)
    (tmp_path / "requirements" / CUDA12.locks[-1]).write_text("another")
    assert CUDA12.folder(tmp_path) != before


@pytest.mark.parametrize(
    "broken", [CommandFailed("pip failed"), OSError(28, "No space left on device")]
)
def test_an_install_that_breaks_off_leaves_no_toolkit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: Exception
) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "cuda13.lock").write_text("nothing==0\n")
    folder = DEFAULT.folder(tmp_path)

    def break_off(*_args: object, **_kwargs: object) -> None:
        folder.with_name(folder.name + ".partial").mkdir(parents=True)
        raise broken

    monkeypatch.setattr(pinned, "run", break_off)
    with pytest.raises(LlamaproofError):
        toolkit.ensure_toolkit(tmp_path, ToolkitSettings())
    left = [path.name for path in folder.parent.iterdir()]
    assert left == [f".{folder.name}.lock"]


def test_flags_in_the_users_environment_do_not_reach_the_compilers() -> None:
    env = build_environment({"CXXFLAGS": "-march=native", "NVCC_APPEND_FLAGS": "-G", "HOME": "/h"})
    assert env == {"HOME": "/h"}
