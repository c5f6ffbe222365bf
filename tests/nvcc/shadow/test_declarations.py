"""What the stand-ins declare for themselves is what NVIDIA's headers declare."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llamaproof.errors import CommandFailed
from llamaproof.process import run
from tests.support.needs import CHECKOUT
from tests.support.toolkit import toolkit

_SHADOW = CHECKOUT / "native" / "shadow"


def _compile_against_cublas(source: Path) -> None:
    headers = toolkit() / "include"
    includes = [f"-I{_SHADOW}", f"-I{headers}", f"-I{headers / 'cccl'}"]
    options = ["-std=c++17", "-fsyntax-only", "-DLLAMAPROOF_CUBLAS_HEADER"]
    run(["g++", *options, *includes, source])


def test_cublas_functions_have_the_types_of_its_header() -> None:
    _compile_against_cublas(_SHADOW / "cublas" / "cublas.cpp")


def test_a_function_of_another_type_is_found(tmp_path: Path) -> None:
    text = (_SHADOW / "cublas" / "cublas.cpp").read_text()
    changed = tmp_path / "cublas.cpp"
    changed.write_text(text.replace("void *, size_t) {", "void *, int) {"))
    assert changed.read_text() != text
    with pytest.raises(CommandFailed, match="failed") as failure:
        _compile_against_cublas(changed)
    assert "cublasSetWorkspace_v2" in str(failure.value)


def test_cublas_enumerators_have_the_values_of_its_header(tmp_path: Path) -> None:
    ours = (_SHADOW / "cublas" / "cublas_abi.h").read_text()
    pairs = re.findall(r"\b(CUBLAS_\w+) = (-?\d+)", ours)
    assert len(pairs) > 25
    source = tmp_path / "values.cpp"
    checks = (f'static_assert({name} == {value}, "{name}");' for name, value in pairs)
    source.write_text("#include <cublas_v2.h>\n" + "\n".join(checks))
    headers = toolkit() / "include"
    run(["g++", "-fsyntax-only", f"-I{headers}", f"-I{headers / 'cccl'}", source])
