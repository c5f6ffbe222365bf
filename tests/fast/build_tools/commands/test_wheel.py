"""The words after `just build-wheel`."""

import pytest

from build_tools.commands.wheel import parse_settings
from llamaproof.errors import BadInput


def test_cuda_arch_is_read_from_the_word_and_else_from_the_environment() -> None:
    assert parse_settings(["CUDA_ARCH=80;90"], {"CUDA_ARCH": "75"}).wanted.arch == "80;90"
    assert parse_settings([], {"CUDA_ARCH": "75"}).wanted.arch == "75"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["CUDA_ARCH"],
        ["ARCH=89"],
        ["CUDA_ARCH=89", "JOBS=0"],
        ["CUDA_ARCH=89", "SERIES=some"],
        ["CUDA_ARCH=89", "CACHE=yes"],
    ],
)
def test_a_word_that_means_nothing_is_refused_with_what_does(words: list[str]) -> None:
    with pytest.raises(BadInput) as caught:
        parse_settings(words, {})
    assert caught.value.hint


def test_the_series_is_whole_or_none_or_so_many_patches() -> None:
    def first(*words: str) -> int | None:
        return parse_settings(["CUDA_ARCH=89", *words], {}).wanted.first

    assert first() is None
    assert first("SERIES=") is None
    assert first("SERIES=none") == 0
    assert first("SERIES=3") == 3


def test_no_compiler_cache_is_used_unless_it_is_asked_for() -> None:
    assert not parse_settings(["CUDA_ARCH=89"], {}).cached
    assert parse_settings(["CUDA_ARCH=89", "CACHE=sccache"], {}).cached
    assert parse_settings(["CUDA_ARCH=89"], {"CACHE": "sccache"}).cached
    assert not parse_settings(["CUDA_ARCH=89", "CACHE=none"], {"CACHE": "sccache"}).cached
