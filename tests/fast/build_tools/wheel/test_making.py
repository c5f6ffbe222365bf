"""Claims: a wheel says of its compilers what they say, and names the source and the locks."""

from __future__ import annotations

from pathlib import Path

import pytest

from build_tools.pin.definition import DEFAULT_PIN, load_pin
from build_tools.wheel.making import how_made, made_with
from llamaproof.errors import LlamaproofError

CHECKOUT = Path(__file__).parents[4]


def test_the_compilers_say_their_versions() -> None:
    words = made_with(nvcc=None)
    assert set(words) == {"cc", "c++", "ld", "glibc"}
    assert words["c++"].startswith("g++ ") and words["ld"].startswith("GNU ld")


def says(path: Path, words: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{words}'\n")
    path.chmod(0o755)
    return path


def test_another_compiler_for_nvcc_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvcc = says(tmp_path / "nvcc", "Cuda compilation tools, release 13.0, V13.0.88")
    monkeypatch.delenv("CUDAHOSTCXX", raising=False)
    assert "c++ of nvcc" not in made_with(nvcc)
    monkeypatch.setenv("CUDAHOSTCXX", str(says(tmp_path / "g++-13", "g++ 13.1")))
    assert made_with(nvcc)["c++ of nvcc"] == "g++ 13.1"


def test_a_compiler_that_says_nothing_is_refused(tmp_path: Path) -> None:
    nvcc = says(tmp_path / "nvcc", "hello")
    with pytest.raises(LlamaproofError, match="does not say its version"):
        made_with(nvcc)


def test_a_build_without_cuda_names_its_source_and_its_environment() -> None:
    pin = load_pin(CHECKOUT, DEFAULT_PIN)
    making = how_made(CHECKOUT, pin, None, not_reproducible="")
    assert making.sdist.sha256 == pin.sdist_sha256 and making.sdist.size == pin.sdist_size
    assert making.reproducible is True
    assert set(making.locks) == {"env.lock"} and making.toolkit == ()
