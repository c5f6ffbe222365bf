"""The native tests of the shadow runtime, each under the sanitizers."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from llamaproof.process import run
from tests.support.toolkit import toolkit

_HERE = Path(__file__).parent / "native_tests"
_SHADOW = Path(__file__).parents[3] / "native" / "shadow"
_TESTS = re.findall(r"    TEST\((\w+)\)", (_HERE / "runtime_test.cpp").read_text())
_SANITIZERS = {
    "address": ("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    "thread": ("-fsanitize=thread",),
}


@pytest.fixture(scope="module", params=sorted(_SANITIZERS))
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    headers = toolkit() / "include"
    folder = tmp_path_factory.mktemp(request.param)
    includes: list[str | os.PathLike[str]] = [
        f"-I{_SHADOW}",
        f"-I{_SHADOW.parent}",
        f"-I{_HERE}",
        "-isystem",
        headers,
    ]
    executor = folder / "libfake_executor.so"
    plain = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", *includes]
    run([*plain, "-shared", "-fPIC", _HERE / "fake_executor.cpp", "-o", executor])
    sources = [
        _HERE / "runtime_test.cpp",
        *sorted(
            p
            for part in ("core", "cudart", "cublas", "cuda")
            for p in _SHADOW.glob(f"{part}/*.cpp")
        ),
    ]
    target = folder / "runtime_test"
    checks = ["-g", "-O1", *_SANITIZERS[request.param]]
    run([*plain, *checks, *sources, executor, "-ldl", "-pthread", "-o", target])
    return target


@pytest.mark.parametrize("name", _TESTS)
def test_native(program: Path, name: str, tmp_path: Path) -> None:
    outcome = run([program, tmp_path, name], env=dict(os.environ), check=False)
    assert outcome.returncode == 0, outcome.output


@pytest.mark.parametrize(
    ("sanitizer", "defect", "finding"),
    [("address", "leak", "LeakSanitizer"), ("thread", "race", "data race")],
)
def test_a_planted_defect_is_found(
    program: Path, sanitizer: str, defect: str, finding: str, tmp_path: Path
) -> None:
    if sanitizer not in str(program):
        pytest.skip(f"the {sanitizer} sanitizer looks for a {defect}")
    outcome = run([program, tmp_path, f"plant_a_{defect}"], check=False)
    assert outcome.returncode != 0
    assert finding in outcome.output
