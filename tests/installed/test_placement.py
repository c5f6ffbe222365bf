"""Attention on another device than its layer's is said once, or refused where that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llamaproof import shadow
from llamaproof.abi.device import DeviceCode
from llamaproof.process import Completed
from llamaproof.target import open_target
from llamaproof.target.libraries import linux_libraries
from tests.support.installed.scripts import DECODE, WITH_LIBRARIES, RunPython

WARNING = "flash attention does not run on the device of its layer"
REQUIRED = "flash attention is required but does not run on the device of its layer"
REQUIRE = {"LLAMA_REQUIRE_FLASH_ATTN": "1"}

ALL_LAYERS = ("--gpu-layers", "999")
# GGML_TYPE_BF16 of ggml.h: no release of this series has an attention kernel for it
BF16 = ("--cache-type", "30")

OnL40S = Callable[..., Completed]


def _arguments(model: Path, folder: Path, *options: str, flash_attn: str = "on") -> list[str]:
    sizes = ("--prefill", "4", "--decode", "1")
    command = (DECODE, model, folder / "logits.npy", "--flash-attn", flash_attn)
    return [*map(str, command), *sizes, *options]


@pytest.fixture(scope="module")
def on_l40s(
    gpu_code: DeviceCode, run_python: RunPython, tmp_path_factory: pytest.TempPathFactory
) -> OnL40S:
    """Run a script in the wheel's environment on an L40S that the shadow runtime plays."""
    assert gpu_code.runs_on(89)
    folder = tmp_path_factory.mktemp("shadow")
    locate = "import importlib.util; print(importlib.util.find_spec('llama_cpp').origin)"
    installed = Path(run_python("-c", locate).lines[-1]).parent
    with open_target(str(installed)) as target:
        session = shadow.prepare(linux_libraries(target), [shadow.find_gpu("L40S")], folder=folder)

    def run_there(*arguments: str, settings: dict[str, str] | None = None) -> Completed:
        preload = ":".join(str(path) for path in session.preload)
        return run_python(
            WITH_LIBRARIES,
            preload,
            *arguments,
            settings={**session.environment, **(settings or {})},
            check=False,
        )

    return run_there


@pytest.mark.parametrize("name", ["glm-4.7-flash", "gpt-oss-20b", "gemma-3-1b"])
def test_attention_of_a_cpu_layer_belongs_on_the_cpu(
    name: str, run_python: RunPython, models: dict[str, Path], tmp_path: Path
) -> None:
    ran = run_python(*_arguments(models[name], tmp_path), settings=REQUIRE, check=False)
    assert ran.returncode == 0, ran.output
    assert WARNING not in ran.output


@pytest.mark.parametrize("settings", [{}, REQUIRE])
def test_attention_on_its_layers_gpu_is_not_worth_a_word(
    settings: dict[str, str], on_l40s: OnL40S, models: dict[str, Path], tmp_path: Path
) -> None:
    ran = on_l40s(*_arguments(models["glm-4.7-flash"], tmp_path, *ALL_LAYERS), settings=settings)
    assert ran.returncode == 0, ran.output
    assert "CUDA0 compute buffer size" in ran.output
    assert WARNING not in ran.output


def test_the_output_layer_on_the_cpu_changes_nothing(
    on_l40s: OnL40S, models: dict[str, Path], tmp_path: Path
) -> None:
    arguments = _arguments(models["glm-4.7-flash"], tmp_path, "--gpu-layers", "2")
    ran = on_l40s(*arguments, settings=REQUIRE)
    assert ran.returncode == 0, ran.output
    assert WARNING not in ran.output


@pytest.mark.parametrize("settings", [{}, {"LLAMA_REQUIRE_FLASH_ATTN": "0"}])
def test_attention_off_its_layers_gpu_is_warned_of_once(
    settings: dict[str, str], on_l40s: OnL40S, models: dict[str, Path], tmp_path: Path
) -> None:
    arguments = _arguments(models["llama-3-70b"], tmp_path, *ALL_LAYERS, *BF16)
    ran = on_l40s(*arguments, settings=settings)
    assert ran.returncode == 0, ran.output
    (line,) = (line for line in ran.lines if WARNING in line)
    assert line.startswith("[3] ")  # GGML_LOG_LEVEL_WARN
    for words in ("128/128", "GQA ratio 8", "K bf16, V bf16", "on CPU instead of CUDA0"):
        assert words in line
    assert line.endswith("expect it to be slow")


def test_attention_of_a_cpu_layer_that_the_scheduler_takes_to_the_gpu_is_not_called_slow(
    on_l40s: OnL40S, models: dict[str, Path], tmp_path: Path
) -> None:
    ran = on_l40s(*_arguments(models["glm-4.7-flash"], tmp_path, "--gpu-layers", "1"))
    assert ran.returncode == 0, ran.output
    (line,) = (line for line in ran.lines if WARNING in line)
    assert "on CUDA0 instead of CPU" in line
    assert line.endswith("K and V are copied there for every batch")


def test_where_it_is_required_there_is_no_context(
    on_l40s: OnL40S, models: dict[str, Path], tmp_path: Path
) -> None:
    arguments = _arguments(models["llama-3-70b"], tmp_path, *ALL_LAYERS, *BF16)
    ran = on_l40s(*arguments, settings=REQUIRE)
    assert ran.returncode == 1, ran.output
    assert "llama.cpp creates no context" in ran.output
    assert sum(REQUIRED in line for line in ran.lines) == 1
    assert "128/128" in ran.output


def test_without_flash_attention_nothing_is_required_or_warned_of(
    on_l40s: OnL40S, models: dict[str, Path], tmp_path: Path
) -> None:
    arguments = _arguments(models["llama-3-70b"], tmp_path, *ALL_LAYERS, *BF16, flash_attn="off")
    ran = on_l40s(*arguments, settings=REQUIRE)
    assert WARNING not in ran.output
    assert REQUIRED not in ran.output
