"""Attention on another device than its layer's is said once, or refused where that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof.process import Completed
from tests.wheel.conftest import RunPython
from tests.wheel.test_smoke import DECODE

pytestmark = pytest.mark.wheel

WARNING = "flash attention does not run on the device of its layer"
REQUIRE = {"LLAMA_REQUIRE_FLASH_ATTN": "1"}


def _decode(
    run_python: RunPython, model: Path, output: Path, settings: dict[str, str]
) -> Completed:
    sizes = ("--prefill", "4", "--decode", "1")
    return run_python(
        DECODE, model, output, "--flash-attn", "on", *sizes, settings=settings, check=False
    )


@pytest.mark.parametrize("name", ["glm-4.7-flash", "gpt-oss-20b", "gemma-3-1b"])
def test_attention_of_a_cpu_layer_belongs_on_the_cpu(
    name: str, run_python: RunPython, models: dict[str, Path], tmp_path: Path
) -> None:
    ran = _decode(run_python, models[name], tmp_path / "logits.npy", REQUIRE)
    assert ran.returncode == 0, ran.output
    assert WARNING not in ran.output


def test_the_log_reaches_this_test(
    run_python: RunPython, models: dict[str, Path], tmp_path: Path
) -> None:
    ran = _decode(run_python, models["glm-4.7-flash"], tmp_path / "logits.npy", {})
    assert any("flash_attn" in line for line in ran.lines), ran.output
