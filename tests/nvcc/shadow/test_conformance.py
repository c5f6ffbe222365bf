"""The shadow runtime answers as a real card does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llamaproof import shadow
from llamaproof.process import run
from tests.support.needs import NATIVE
from tests.support.toolkit import compile_object

_FOLDER = Path(__file__).parent / "conformance"


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("conformance")
    return [
        compile_object(folder, _FOLDER / "conformance.cu", arch="90"),
        compile_object(folder, _FOLDER / "other.cu", arch="80"),
    ]


@pytest.mark.parametrize("launches", ["by kernel handle", "by host function"])
@pytest.mark.parametrize("major", [12, 13])
def test_every_answer_is_that_of_an_h200(
    tmp_path: Path, objects: list[Path], major: int, launches: str
) -> None:
    sources = list(objects)
    if launches == "by host function":
        sources.append(compile_object(tmp_path, _FOLDER / "legacy.cpp", arch="90"))
    program = tmp_path / "conformance"
    folder = NATIVE / f"cuda{major}"
    libraries = [folder / f"libcudart.so.{major}", folder / "libcuda.so.1"]
    paths = [f"-Wl,-rpath,{folder}", f"-Wl,-rpath-link,{NATIVE}", "-pthread"]
    run(["g++", *sources, *libraries, *paths, "-o", program])
    session = shadow.prepare(
        [program], [shadow.find_gpu("H200")], folder=tmp_path, cache=tmp_path / "cache"
    )
    answers = run([program], env={**os.environ, **session.environment}).lines
    truth = (_FOLDER / f"h200-cuda{major}.txt").read_text().splitlines()
    assert list(answers) == truth
