"""The doctor on the wheel itself: well where it is well, and each ailment told by its name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from llamaproof import cli, shadow
from llamaproof.abi.device import DeviceCode
from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED
from llamaproof.wheel_archive.members import unpack_wheel

pytestmark = pytest.mark.usefixtures("gpu_code")


def _doctor(folder: Path, target: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    output = folder / "doctor.json"
    code = cli.main(["doctor", *arguments, "--target", str(target), "--json", str(output)])
    document: dict[str, Any] = json.loads(output.read_text())
    return code, document


def _codes(document: dict[str, Any], level: str) -> list[str]:
    return [finding["code"] for finding in document["findings"] if finding["level"] == level]


def test_the_wheel_is_well_for_every_familiar_model_of_head_sizes_it_has(
    wheel: Path, tmp_path: Path
) -> None:
    code, document = _doctor(tmp_path, wheel)
    assert code == HOLDS, document["verdict"]
    refused = {"192/128", "192", "320/256", "512"}  # no CUDA kernel in this release
    for result in document["familiar"]:
        heads = {layer["heads"] for layer in result["layers"]}
        assert bool(result["failures"]) == bool(heads & refused), result["name"]


def test_the_wheel_is_well_for_glm(wheel: Path, models: dict[str, Path], tmp_path: Path) -> None:
    code, document = _doctor(tmp_path, wheel, str(models["glm-4.7-flash"]))
    assert code == HOLDS, document["verdict"]
    assert document["report"]["outcome"] == "holds"


def test_half_a_download_is_answered_by_its_header(
    wheel: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    whole = models["glm-4.7-flash"].read_bytes()
    half = tmp_path / "half.gguf"
    half.write_bytes(whole[: len(whole) // 2])
    code, document = _doctor(tmp_path, wheel, str(half))
    assert code == HOLDS, document["verdict"]
    assert "truncated" in _codes(document, "note")
    assert document["header"] is not None


def test_a_file_that_is_no_model_leaves_the_question_open(wheel: Path, tmp_path: Path) -> None:
    model = tmp_path / "page.gguf"
    model.write_text("<!DOCTYPE html>")
    code, document = _doctor(tmp_path, wheel, str(model))
    assert code == NOT_CHECKED
    assert _codes(document, "unclear") == ["not-examined"]


def test_a_card_without_code_in_the_wheel_stops(
    wheel: Path, gpu_code: DeviceCode, tmp_path: Path
) -> None:
    without = [gpu.name for gpu in shadow.representatives() if not gpu_code.runs_on(gpu.sm)]
    if not without:
        pytest.skip("the wheel has code for every card that is known")
    code, document = _doctor(tmp_path, wheel, "--gpu", without[0])
    assert code == DEFECT
    assert _codes(document, "stops") == ["no-code"]


def test_the_wheel_without_its_cuda_backend_stops(wheel: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    unpack_wheel(wheel, unpacked)
    (unpacked / "llama_cpp" / "lib" / "libggml-cuda.so").unlink()
    code, document = _doctor(tmp_path, unpacked)
    assert code == DEFECT
    assert _codes(document, "stops") == ["cpu-only"]


def test_bindings_of_another_release_stop(wheel: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    unpack_wheel(wheel, unpacked)
    shutil.rmtree(unpacked / "llama_cpp" / "server", ignore_errors=True)
    bindings = unpacked / "llama_cpp" / "llama_cpp.py"
    text = bindings.read_text()
    # as if the library had got a field that the bindings do not know, in front of the floats
    planted = text.replace('("rope_freq_base", ctypes.c_float),', "", 1)
    assert planted != text
    bindings.write_text(planted)
    code, document = _doctor(tmp_path, _as_wheel(unpacked, tmp_path))
    assert code == DEFECT
    assert "bindings" in _codes(document, "stops")


def _as_wheel(folder: Path, scratch: Path) -> Path:
    """The folder as a wheel again: its dependencies are then not looked for here."""
    archive = shutil.make_archive(str(scratch / "planted-0-py3-none-any"), "zip", folder)
    return Path(archive).rename(scratch / "planted-0-py3-none-any.whl")
