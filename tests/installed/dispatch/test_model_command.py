"""A whole model on a shadow GPU, through the wheel's own bindings: where its attention runs.

The wheel under test is the patched one: GLM-4.7-Flash runs on the GPU in every layer. K and V in
bf16 are refused: a defect to be found.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llamaproof import cli, shadow
from llamaproof.dispatch.model_command import examine_model
from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED
from llamaproof.gguf.attention import attention_of
from llamaproof.gguf.header import read_header
from llamaproof.model_run.run import Settings
from llamaproof.reports.outcome import Outcome
from llamaproof.target import open_target

pytestmark = pytest.mark.usefixtures("gpu_code")

GPU = "L40S"
GLM_KERNEL = "flash_attn_ext_f16<576, 512, "


def _dispatch(wheel: Path, model: Path, folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    output = folder / "model.json"
    command = ("dispatch", str(wheel), "--gpu", GPU, "--model", str(model), "--json", str(output))
    code = cli.main((*command, *options))
    document = json.loads(output.read_text()) if output.exists() else {}
    return code, document


def test_glm_runs_on_the_gpu_in_every_layer(
    wheel: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    code, document = _dispatch(wheel, models["glm-4.7-flash"], tmp_path)
    (report,) = document["reports"]
    assert code == HOLDS, report["verdict"]
    assert report["splits"] == {"prefill": 2, "decode": 2}
    for layer in report["layers"]:
        for step in ("prefill", "decode"):
            assert layer[step]["where"] == "gpu"
            assert layer[step]["kernel"].startswith(GLM_KERNEL)
    assert [(nodes["op"], nodes["is_expected"]) for nodes in report["cpu_nodes"]] == [
        ("GET_ROWS", True),
        ("GET_ROWS", True),
    ]


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("mla-16", GLM_KERNEL),
        ("mla-128", GLM_KERNEL),
        ("llama-3-70b", "flash_attn"),
        ("multi-query", "flash_attn"),
        ("gemma-2-2b", "flash_attn"),
        ("gemma-3-1b", "flash_attn"),
        ("gpt-oss-20b", "flash_attn"),
    ],
)
def test_other_models_run_on_the_gpu_too(
    name: str, kernel: str, wheel: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    code, document = _dispatch(wheel, models[name], tmp_path)
    (report,) = document["reports"]
    assert code == HOLDS, report["verdict"]
    used = [layer[step]["kernel"] for layer in report["layers"] for step in ("prefill", "decode")]
    assert used
    assert all(label.startswith(kernel) for label in used)


def test_memory_is_told_from_1k_to_128k(
    wheel: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    _, document = _dispatch(wheel, models["glm-4.7-flash"], tmp_path)
    memory = {(m["kind"], m["side"]): m for m in document["reports"][0]["memory"]}
    cache = memory["kv", "GPU"]
    assert list(cache["mib"]) == [str(1024 << step) for step in range(8)]
    # 2 layers of (576 + 512) f16 values; releases that keep V inside K have 576 alone
    assert cache["bytes_per_token"] in (2 * (576 + 512) * 2, 2 * 576 * 2)
    assert cache["shape"] == "linear"
    assert memory["weights", "GPU"]["shape"] == "constant"


def test_types_that_are_refused_are_found_and_explained(
    wheel: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    types = ("--type-k", "bf16", "--type-v", "bf16")
    code, document = _dispatch(wheel, models["llama-3-70b"], tmp_path, *types)
    (report,) = document["reports"]
    assert code == DEFECT
    assert {layer["decode"]["where"] for layer in report["layers"]} == {"cpu"}
    assert report["splits"] == {"prefill": 6, "decode": 6}
    (attention,) = (
        nodes
        for nodes in report["cpu_nodes"]
        if (nodes["step"], nodes["op"]) == ("decode", "FLASH_ATTN")
    )
    assert attention["count"] == 2
    assert any("does not run on the device of its layer" in line for line in report["warnings"])


def test_types_without_a_vector_kernel_run_on_the_one_that_converts_them(
    wheel: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    types = ("--type-k", "q8_0", "--type-v", "q4_0")
    code, document = _dispatch(wheel, models["llama-3-70b"], tmp_path, *types)
    (report,) = document["reports"]
    assert code == HOLDS, report["verdict"]
    for layer in report["layers"]:
        assert layer["decode"]["kernel"].startswith("flash_attn_ext_f16<128, 128, ")


def test_a_card_too_small_for_the_model_is_named(wheel: Path, models: dict[str, Path]) -> None:
    path = models["mla-128"]
    small = replace(shadow.find_gpu("L40S"), memory=8 << 20)
    with open_target(str(wheel)) as target:
        report = examine_model(
            target, path, attention_of(read_header(path)), small, Settings(memory_contexts=())
        )
    assert report.outcome is Outcome.NOT_CHECKED
    assert "out of memory" in report.problem


@pytest.mark.parametrize("cut", [True, False])
def test_a_header_alone_is_answered_from_its_metadata(
    cut: bool, wheel: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    model = models["glm-4.7-flash"]
    if cut:
        whole = model.read_bytes()
        model = tmp_path / "cut.gguf"
        model.write_bytes(whole[: len(whole) // 2])
    options = () if cut else ("--header-only",)
    code, document = _dispatch(wheel, model, tmp_path, *options)
    assert code == HOLDS
    assert document["schema"] == "llamaproof.model-header"
    assert (document["truncated"] is not None) == cut
    assert document["kv_bytes_per_token"] == 2 * (576 + 512) * 2


def test_a_hostile_file_is_refused_in_words(
    wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "hostile.gguf"
    model.write_bytes(b"GGUF\x03\0\0\0" + b"\xff" * 64)
    code, _ = _dispatch(wheel, model, tmp_path)
    assert code == NOT_CHECKED
    assert "not a sound GGUF file" in capsys.readouterr().err
