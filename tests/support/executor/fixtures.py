"""Fixtures: the emulator, and the emulator built with a sanitizer."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from llamaproof.executor.machine import Emulator
from llamaproof.process import run
from tests.support.needs import CHECKOUT

RUNTIMES = {"address,undefined": ("libasan.so", "libubsan.so"), "thread": ("libtsan.so",)}
OPTIONS = {
    # Python frees nothing at its end.
    "ASAN_OPTIONS": "detect_leaks=0",
    # OpenMP in ggml's CPU backend tells the sanitizer nothing of its barriers.
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1 report_thread_leaks=0",
}


@dataclass(frozen=True, kw_only=True)
class Sanitized:
    """The emulator built with a sanitizer, and what it takes to load it into Python."""

    name: str
    environment: Mapping[str, str]

    def python(self, *arguments: str | os.PathLike[str]) -> tuple[int, str]:
        # The thread sanitizer wants memory where it expects it.
        fixed = ["setarch", "-R"] if self.name == "thread" else []
        outcome = run(
            [*fixed, sys.executable, *arguments],
            env={**os.environ, **self.environment},
            cwd=CHECKOUT,
            check=False,
        )
        return outcome.returncode, outcome.output


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as device:
        yield device


@pytest.fixture(scope="module", params=sorted(RUNTIMES))
def sanitized(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Sanitized:
    gcc, cmake, ninja = (shutil.which(tool) for tool in ("gcc", "cmake", "ninja"))
    if not (gcc and cmake and ninja):
        pytest.skip("no gcc, cmake or ninja")
    if request.param == "thread" and shutil.which("setarch") is None:
        pytest.skip("no setarch (util-linux)")
    build = tmp_path_factory.mktemp("sanitized")
    sanitize = f"-DLLAMAPROOF_EMULATOR_SANITIZE={request.param}"
    source = CHECKOUT / "native" / "emulator"
    run(
        [cmake, "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}", sanitize]
    )
    run([ninja, "-C", build])
    runtimes = [
        run([gcc, f"-print-file-name={name}"]).output.strip() for name in RUNTIMES[request.param]
    ]
    if not all(Path(runtime).is_absolute() for runtime in runtimes):
        pytest.skip(f"gcc has no {request.param} sanitizer")
    path = os.pathsep.join([str(CHECKOUT / "python"), str(CHECKOUT)])
    environment = {
        **OPTIONS,
        "LLAMAPROOF_EXECUTOR": str(build / "libllamaproof_emulator.so"),
        "LD_PRELOAD": " ".join(runtimes),
        "PYTHONPATH": path,
    }
    return Sanitized(name=request.param, environment=environment)
