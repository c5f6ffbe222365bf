"""The small models: what gguf's own reader finds in them is the attention they are named for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader

from tests.support.models import MODELS, SMALL_MODELS, write_header, write_model

# (query heads, KV heads, key length, value length), from the models' published configurations
GEOMETRY = {
    "glm-4.7-flash": (20, 1, 576, 512),
    "mla-16": (16, 1, 576, 512),
    "mla-128": (128, 1, 576, 512),
    "llama-3-70b": (64, 8, 128, 128),
    "multi-query": (48, 1, 128, 128),
    "gemma-2-2b": (8, 4, 256, 256),
    "gemma-3-1b": (4, 1, 256, 256),
    "gpt-oss-20b": (64, 8, 64, 64),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def _metadata(path: Path, architecture: str, key: str) -> int | float | bool:
    field = GGUFReader(path).get_field(f"{architecture}.{key}")
    assert field is not None, key
    value = field.contents()
    assert isinstance(value, (int, float, bool))
    return value


def test_every_small_model_has_its_geometry_stated() -> None:
    assert set(GEOMETRY) == set(SMALL_MODELS)


@pytest.mark.parametrize("name", GEOMETRY)
def test_attention_has_the_geometry_of_the_model_it_is_named_for(name: str, folder: Path) -> None:
    model = SMALL_MODELS[name]
    path = write_model(model, folder / f"{name}.gguf")
    keys = ("head_count", "head_count_kv", "key_length", "value_length")
    found = tuple(_metadata(path, model.architecture, f"attention.{key}") for key in keys)
    assert found == GEOMETRY[name]


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_a_model_is_a_few_megabytes(name: str, folder: Path) -> None:
    path = write_model(SMALL_MODELS[name], folder / f"{name}.gguf")
    assert path.stat().st_size < 20e6


@pytest.mark.parametrize("name", ["glm-4.7-flash", "gpt-oss-20b"])
def test_the_same_arguments_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    first = write_model(SMALL_MODELS[name], tmp_path / "first.gguf").read_bytes()
    second = write_model(SMALL_MODELS[name], tmp_path / "second.gguf").read_bytes()
    assert first == second


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    model = SMALL_MODELS["mla-16"]
    first = GGUFReader(write_model(model, tmp_path / "first.gguf", seed=1))
    second = GGUFReader(write_model(model, tmp_path / "second.gguf", seed=2))
    assert [t.name for t in first.tensors] == [t.name for t in second.tensors]
    assert all(
        not np.array_equal(a.data, b.data)
        for a, b in zip(first.tensors, second.tensors, strict=True)
    )


@pytest.mark.parametrize("weight_type", ["F16", "Q8_0", "Q4_0"])
def test_the_header_alone_is_how_the_whole_file_begins(weight_type: str, tmp_path: Path) -> None:
    kind = GGMLQuantizationType[weight_type]
    for name, model in SMALL_MODELS.items():
        header = write_header(model, tmp_path / "header.gguf", weight_type=kind).read_bytes()
        whole = write_model(model, tmp_path / "whole.gguf", weight_type=kind).read_bytes()
        assert whole.startswith(header), name
        assert len(header) < len(whole), name


def test_the_header_of_the_full_size_model_says_its_size(tmp_path: Path) -> None:
    path = write_header(MODELS["glm-4.7-flash-full"], tmp_path / "full.gguf")
    assert path.stat().st_size < 10e6
    described = sum(int(np.prod(t.shape)) for t in MODELS["glm-4.7-flash-full"].tensors)
    # "30B-A3B": the published name counts about 30 billion parameters
    assert 28e9 < described < 32e9


def test_matrices_are_of_the_type_asked_for_and_norms_stay_f32(tmp_path: Path) -> None:
    path = write_model(
        SMALL_MODELS["glm-4.7-flash"],
        tmp_path / "model.gguf",
        weight_type=GGMLQuantizationType.Q4_0,
    )
    kinds = {tensor.name: tensor.tensor_type for tensor in GGUFReader(path).tensors}
    assert kinds["blk.0.attn_q_b.weight"] == GGMLQuantizationType.Q4_0
    assert kinds["blk.0.attn_norm.weight"] == GGMLQuantizationType.F32
    assert kinds["blk.1.ffn_gate_inp.weight"] == GGMLQuantizationType.F32
