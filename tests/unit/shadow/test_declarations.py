"""What the stand-ins declare for themselves is what NVIDIA's headers declare."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llamaproof.errors import CommandFailed
from llamaproof.process import run
from tests.unit.shadow.native import NATIVE, needs_native
from tests.unit.shadow.toolkit import TOOLKIT, needs_toolkit

_SHADOW = Path(__file__).parents[3] / "native" / "shadow"
_NAMES = _SHADOW / "names"


def _compile_against_cublas(source: Path) -> None:
    assert TOOLKIT is not None
    headers = TOOLKIT / "include"
    includes = [f"-I{_SHADOW}", f"-I{headers}", f"-I{headers / 'cccl'}"]
    options = ["-std=c++17", "-fsyntax-only", "-DLLAMAPROOF_CUBLAS_HEADER"]
    run(["g++", *options, *includes, source])


@needs_toolkit
def test_cublas_functions_have_the_types_of_its_header() -> None:
    _compile_against_cublas(_SHADOW / "cublas" / "cublas.cpp")


@needs_toolkit
def test_a_function_of_another_type_is_found(tmp_path: Path) -> None:
    text = (_SHADOW / "cublas" / "cublas.cpp").read_text()
    changed = tmp_path / "cublas.cpp"
    changed.write_text(text.replace("void*, size_t) {", "void*, int) {"))
    assert changed.read_text() != text
    with pytest.raises(CommandFailed, match="failed") as failure:
        _compile_against_cublas(changed)
    assert "cublasSetWorkspace_v2" in str(failure.value)


@needs_toolkit
def test_cublas_enumerators_have_the_values_of_its_header(tmp_path: Path) -> None:
    assert TOOLKIT is not None
    ours = (_SHADOW / "cublas" / "cublas_abi.h").read_text()
    pairs = re.findall(r"\b(CUBLAS_\w+) = (-?\d+)", ours)
    assert len(pairs) > 25
    source = tmp_path / "values.cpp"
    checks = (f'static_assert({name} == {value}, "{name}");' for name, value in pairs)
    source.write_text("#include <cublas_v2.h>\n" + "\n".join(checks))
    headers = TOOLKIT / "include"
    run(["g++", "-fsyntax-only", f"-I{headers}", f"-I{headers / 'cccl'}", source])


@needs_native
@pytest.mark.parametrize(
    ("library", "names"),
    [
        (f"cuda{major}/{name}", f"{name}{suffix}.txt")
        for major in (12, 13)
        for name, suffix in (
            (f"libcudart.so.{major}", ""),
            (f"libcublas.so.{major}", ""),
            (f"libcublasLt.so.{major}", ""),
            ("libcuda.so.1", f".cuda{major}"),
            ("libnccl.so.2", ""),
        )
    ],
)
def test_every_name_of_the_real_library_is_there_under_its_version_node(
    library: str, names: str
) -> None:
    wanted = (_NAMES / names).read_text().split()
    assert len(wanted) > 50
    lines = run(["nm", "-D", "--defined-only", NATIVE / library]).lines
    have = {line.split()[-1] for line in lines}
    node = "" if library.endswith(("libcuda.so.1", "libnccl.so.2")) else f"@@{Path(library).name}"
    assert {f"{name}{node}" for name in wanted} <= have
