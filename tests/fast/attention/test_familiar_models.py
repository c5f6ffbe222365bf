"""The familiar models: each once, with whole groups of heads, and every shape that matters."""

from __future__ import annotations

import pytest

from llamaproof.attention.familiar_models import FAMILIAR_MODELS

BY_NAME = {model.name: model for model in FAMILIAR_MODELS}


def test_each_is_there_once() -> None:
    assert len(BY_NAME) == len(FAMILIAR_MODELS)


def test_they_have_whole_groups_of_heads() -> None:
    layers = [layer for model in FAMILIAR_MODELS for layer in model.layers]
    assert all(layer.n_head % layer.n_head_kv == 0 for layer in layers)
    assert all(layer.n_head_kv == 1 for layer in layers if layer.heads.latent)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("GLM-4.7-Flash", "576/512@20"),
        ("DeepSeek V3, R1", "576/512@128"),
        ("DeepSeek V3, R1 (GGUF without MLA)", "192/128@1"),
        ("Qwen3 8B", "128@4"),
        ("Gemma 2 9B", "256@2 with softcap"),
        ("gpt-oss 20B", "64@8 with sinks"),
        ("Gemma 4 26B-A4B", "256@2, 512@8"),
        ("MiMo-V2-Flash", "192/128@16, 192/128@8 with sinks"),
    ],
)
def test_they_are_told_by_head_sizes_and_ratio(name: str, shape: str) -> None:
    assert BY_NAME[name].shape == shape


@pytest.mark.parametrize("heads", ["512", "320/256", "192", "192/128", "576/512"])
def test_head_sizes_that_releases_refuse_are_among_them(heads: str) -> None:
    assert heads in {str(layer.heads) for model in FAMILIAR_MODELS for layer in model.layers}


def test_a_model_is_asked_about_decoding_and_prefilling_each_of_its_layers() -> None:
    cells = BY_NAME["Gemma 4 26B-A4B"].cells()
    assert {(str(c.heads), c.ratio, c.n_tokens) for c in cells} == {
        ("256", 2, 1),
        ("256", 2, 512),
        ("512", 8, 1),
        ("512", 8, 512),
    }
