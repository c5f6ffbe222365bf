"""The worker that loads a model: every phase told, and every way to end early."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from llamaproof.errors import BadInput
from llamaproof.model_run.run import ModelRun, Settings, run_on_this_machine
from llamaproof.target import Target
from tests.support.model_run import toy_bindings
from tests.support.small_libraries import build

DEVICES = """
#include <stddef.h>
size_t ggml_backend_dev_count(void) { return 2; }
void *ggml_backend_dev_get(size_t index) { return (void *) (index + 1); }
"""
NAMES = """
const char *ggml_backend_dev_name(void *d) { return d == (void *) 1 ? "CUDA0" : "CPU"; }
const char *ggml_backend_dev_description(void *d) { return d == (void *) 1 ? "a GPU" : "a CPU"; }
"""
SETTINGS = Settings(n_ctx=1024, n_ubatch=16, memory_contexts=(1024, 2048, 4096))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    folder = tmp_path_factory.mktemp("toy")
    package = folder / "llama_cpp"
    build(package / "lib" / "libggml.so", DEVICES)
    build(package / "lib" / "libggml-base.so", NAMES)
    shutil.copy(toy_bindings.__file__, package / "llama_cpp.py")
    return Target(
        name="toy",
        kind="package",
        package=package,
        lib_dir=package / "lib",
        version=None,
        sha256=None,
    )


def _run(target: Target, model: str, folder: Path, phases: list[str] | None = None) -> ModelRun:
    path = folder / model
    path.write_bytes(b"")
    told = phases if phases is not None else []
    return run_on_this_machine(target, path, SETTINGS, os.environ, on_phase=told.append)


def test_every_phase_is_told_in_order(target: Target, tmp_path: Path) -> None:
    phases: list[str] = []
    run = _run(target, "good", tmp_path, phases)
    assert phases == [
        "import",
        "load",
        "context 1024",
        "prefill 16 0",
        "decode 1 16",
        "decode 1 17",
        "memory 1024",
        "memory 2048",
        "memory 4096",
    ]
    assert run.failures == ()
    assert run.devices == ("CUDA0: a GPU", "CPU: a CPU")
    assert [(step.name, step.n_tokens) for step in run.steps] == [
        ("prefill", 16),
        ("decode", 1),
        ("decode", 1),
    ]
    assert [[node.layer for node in step.graph.attention] for step in run.steps] == [[0]] * 3


@pytest.mark.parametrize("unified", [False, True])
def test_several_sequences_are_decoded_at_once(
    target: Target, tmp_path: Path, unified: bool
) -> None:
    settings = replace(SETTINGS, n_seq_max=4, kv_unified=unified, n_ubatch=18)
    path = tmp_path / "good"
    path.write_bytes(b"")
    run = run_on_this_machine(target, path, settings, os.environ)
    assert run.failures == ()
    # Four of each sequence, and then one.
    assert [step.n_tokens for step in run.steps] == [16, 4, 4]
    assert f"toy: 4 sequences, unified {unified}" in run.warnings


def test_a_context_too_short_for_its_sequences_is_refused(target: Target, tmp_path: Path) -> None:
    path = tmp_path / "good"
    path.write_bytes(b"")
    settings = replace(SETTINGS, n_seq_max=512)
    with pytest.raises(BadInput, match="too short for 512 sequences"):
        run_on_this_machine(target, path, settings, os.environ)


def test_graphs_are_asked_for_in_one_context_alone(target: Target, tmp_path: Path) -> None:
    run = _run(target, "good", tmp_path)
    assert len(run.context_graphs) == 1
    assert {n: [b.mib for b in found] for n, found in run.memory.items()} == {
        1024: [1.0],
        2048: [2.0],
        4096: [4.0],
    }


def test_all_layers_are_asked_onto_the_gpu(target: Target, tmp_path: Path) -> None:
    run = _run(target, "good", tmp_path)
    assert [buffer.mib for buffer in run.weights] == [float(SETTINGS.n_gpu_layers)]


def test_a_real_gpu_has_no_launches(target: Target, tmp_path: Path) -> None:
    assert {step.launches for step in _run(target, "good", tmp_path).steps} == {None}


def test_warnings_come_with_the_run(target: Target, tmp_path: Path) -> None:
    warnings = _run(target, "good", tmp_path).warnings
    assert warnings == ("toy: an odd thing", "toy: 1 sequences, unified False")


def test_a_model_that_does_not_load_ends_the_run(target: Target, tmp_path: Path) -> None:
    run = _run(target, "unloadable", tmp_path)
    (failure,) = run.failures
    assert (failure.phase, failure.died) == ("load", False)
    assert failure.log == ("toy: no such tensor",)
    assert run.steps == ()


def test_a_decode_that_fails_ends_the_run(target: Target, tmp_path: Path) -> None:
    (failure,) = _run(target, "failing", tmp_path).failures
    assert (failure.phase, failure.died) == ("prefill", False)
    assert failure.reason == "llama_decode returned -1 at position 0"


def test_an_abort_ends_the_run(target: Target, tmp_path: Path) -> None:
    (failure,) = _run(target, "aborting", tmp_path).failures
    assert (failure.phase, failure.died) == ("prefill", True)
    assert "SIGABRT" in failure.reason


def test_a_context_that_does_not_fit_ends_the_growth(target: Target, tmp_path: Path) -> None:
    run = _run(target, "crowded", tmp_path)
    assert sorted(run.memory) == [1024, 2048]
    (failure,) = run.failures
    assert (failure.phase, failure.n_ctx, failure.died) == ("memory", 4096, False)
    assert failure.log == ("toy: out of memory",)


def test_a_folder_of_libraries_has_no_bindings(target: Target, tmp_path: Path) -> None:
    libraries = Target(
        name="libs",
        kind="libraries",
        package=None,
        lib_dir=target.lib_dir,
        version=None,
        sha256=None,
    )
    with pytest.raises(BadInput, match="no Python bindings"):
        _run(libraries, "good", tmp_path)


def test_bindings_that_break_are_a_failure_of_the_import(target: Target, tmp_path: Path) -> None:
    broken = tmp_path / "llama_cpp"
    broken.mkdir()
    (broken / "llama_cpp.py").write_text("raise RuntimeError('libcublas.so.13 is not there')\n")
    run = _run(
        Target(
            name="broken",
            kind="package",
            package=broken,
            lib_dir=target.lib_dir,
            version=None,
            sha256=None,
        ),
        "good",
        tmp_path,
    )
    (failure,) = run.failures
    assert failure.phase == "import"
    assert failure.reason == "RuntimeError: libcublas.so.13 is not there"
