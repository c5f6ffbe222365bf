"""The tracer sees every launch that a runtime accepts, and changes none."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import llamaproof
from llamaproof import process
from llamaproof.errors import BadInput, LlamaproofError
from llamaproof.executor.library import default_library
from llamaproof.native import NATIVE
from llamaproof.placement import tracer

HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "native" / "tracer"
STRICT = ("-std=c++17", "-fPIC", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
SANITIZED = ("-g", "-fsanitize=undefined", "-fno-sanitize-recover=all")
ROUTES = ("launch_as_cuda_12", "launch_as_cuda_13", "launch_extended", "launch_cooperative")

# Loads the program, calls what it is told to, and prints what the tracer says.
WORKER = """
import ctypes, json, sys
from pathlib import Path
from llamaproof.placement import tracer
from llamaproof.errors import LlamaproofError
folder, calls = Path(sys.argv[1]), json.loads(sys.argv[2])
try:
    traced = tracer.attach(folder / "libtracer.so")
    program = ctypes.CDLL(str(folder / "libprogram.so"))
    statuses = [getattr(program, name)(threads) for name, threads in calls]
    print(json.dumps({
        "statuses": statuses, "launched": program.launched(), "sm": traced.sm(),
        "runtime": traced.runtime.name, "on_stand_in": traced.on_stand_in,
        "launches": [[x.kernel, x.grid, x.block, x.dynamic_shared] for x in traced.launches()],
        "left": len(traced.launches())}))
except LlamaproofError as error:
    print(json.dumps({"error": error.what}))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracer, a runtime and a program that is linked to it, compiled."""
    folder = tmp_path_factory.mktemp("traced")
    script = folder / "cudart.map"
    script.write_text("libcudart.so.13 { global: *; };\n")
    exports = f"-Wl,--version-script={SOURCE / 'exports.map'}"
    build(folder / "libtracer.so", SOURCE / "tracer.cpp", exports, *SANITIZED, "-ldl")
    runtime = ("-Wl,-soname,libcudart.so.13", f"-Wl,--version-script={script}")
    build(folder / "libcudart.so.13", HERE / "fake_cudart.cpp", *runtime)
    linked = (str(folder / "libcudart.so.13"), "-Wl,-rpath,$ORIGIN")
    build(folder / "libprogram.so", HERE / "program.cpp", *linked)
    return folder


def build(library: Path, source: Path, *options: str) -> None:
    process.run(["g++", *STRICT, "-shared", source, "-o", library, *options])


def run(folder: Path, calls: Sequence[tuple[str, int]], *, preload: bool = True) -> dict[str, Any]:
    source = str(Path(llamaproof.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source}
    if preload:
        environment = tracer.environment(environment, library=folder / "libtracer.so")
    command = [sys.executable, "-c", WORKER, str(folder), json.dumps(calls)]
    found: dict[str, Any] = json.loads(process.run(command, env=environment).lines[-1])
    return found


@pytest.mark.parametrize("route", ROUTES)
def test_a_launch_is_recorded_once_by_whichever_function_it_is_made(
    built: Path, route: str
) -> None:
    found = run(built, [(route, 4)])
    assert found["statuses"] == [0]
    assert found["launched"] == 1
    assert found["launches"] == [["_Z6kernelILi16EEvPf", [1, 2, 3], [4, 5, 6], 7]]
    assert found["left"] == 0


def test_a_refused_launch_is_no_launch_and_keeps_its_status(built: Path) -> None:
    found = run(built, [(route, 1024) for route in ROUTES])
    assert found["statuses"] == [1] * len(ROUTES)
    assert (found["launched"], found["launches"]) == (0, [])


def test_what_the_runtime_is_and_says_of_the_device_is_told(built: Path) -> None:
    found = run(built, [])
    assert (found["runtime"], found["sm"], found["on_stand_in"]) == ("libcudart.so.13", 121, False)


def test_a_kernel_without_a_name_is_an_error(built: Path) -> None:
    assert "never registered" in run(built, [("launch_unregistered", 4)])["error"]


def test_a_process_without_the_tracer_is_told_so(built: Path) -> None:
    assert "not preloaded" in run(built, [("launch_extended", 4)], preload=False)["error"]


def test_a_tracer_that_is_not_built_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not built"):
        tracer.environment({}, library=tmp_path / "libllamaproof_tracer.so")


def test_the_packages_own_tracer_lies_where_the_package_keeps_what_it_compiles() -> None:
    assert Path(llamaproof.__file__).parent / "_native" == tracer.TRACER.parent
    for library in (tracer.TRACER, default_library(), NATIVE / "libllamaproof_shadow.so"):
        assert library.parent == NATIVE


def test_what_was_preloaded_before_stays_preloaded(built: Path) -> None:
    library = built / "libtracer.so"
    found = tracer.environment({"LD_PRELOAD": "/else/libsomething.so"}, library=library)
    assert found["LD_PRELOAD"] == f"{library}:/else/libsomething.so"


def test_the_tracer_cannot_be_attached_where_it_is_not_preloaded(built: Path) -> None:
    with pytest.raises(LlamaproofError, match="not preloaded"):
        tracer.attach(built / "libtracer.so")
