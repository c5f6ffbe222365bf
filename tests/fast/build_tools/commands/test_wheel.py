"""The words after `just build-wheel`."""

from pathlib import Path

import pytest

from build_tools.commands.wheel import build_folder, parse_settings
from build_tools.wheel.arch import parse_arch
from build_tools.wheel.toolkit import Toolkit
from llamaproof.errors import BadInput


def test_cuda_arch_is_read_from_the_word_and_else_from_the_environment() -> None:
    assert parse_settings(["CUDA_ARCH=80;90"], {"CUDA_ARCH": "75"})["CUDA_ARCH"] == "80;90"
    assert parse_settings([], {"CUDA_ARCH": "75"})["CUDA_ARCH"] == "75"


@pytest.mark.parametrize(
    "words",
    [[], ["CUDA_ARCH"], ["ARCH=89"], ["CUDA_ARCH=89", "JOBS=0"], ["CUDA_ARCH=89", "SERIES=some"]],
)
def test_a_word_that_means_nothing_is_refused_with_what_does(words: list[str]) -> None:
    with pytest.raises(BadInput) as caught:
        parse_settings(words, {})
    assert caught.value.hint


def test_another_toolkit_compiles_in_another_folder() -> None:
    def folder(root: str) -> Path:
        toolkit = Toolkit(root=Path(root), version="13.0", archs=(89,), pinned=True)
        return build_folder(Path("c"), "tree", parse_arch("89"), toolkit)

    assert folder("one") != folder("two")
    assert folder("one") == folder("one")
