"""Attention derived from metadata: per layer what llama.cpp's loader makes of the same keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from llamaproof.errors import BadInput
from llamaproof.gguf.attention import LayerAttention, ModelAttention, attention_of
from llamaproof.gguf.header import Array, Header, TensorInfo, Value, read_header
from tests.support.models import MODELS, SMALL_MODELS, write_header, write_model


def _header(
    architecture: str,
    metadata: Mapping[str, Value],
    *,
    tensors: tuple[str, ...] = (),
    cut: bool = False,
) -> Header:
    return Header(
        path=Path("model.gguf"),
        version=3,
        metadata={
            "general.architecture": architecture,
            **{f"{architecture}.{key}": value for key, value in metadata.items()},
        },
        tensors=tuple(
            TensorInfo(name=name, shape=(1,), kind="F32", offset=0, n_bytes=4) for name in tensors
        ),
        truncated="the file ends in its metadata, after 9 of 30 keys" if cut else None,
        has_all_metadata=not cut,
        has_all_tensors=not cut,
        file_bytes=1,
        expected_bytes=1,
    )


PLAIN: Mapping[str, Value] = {
    "block_count": 4,
    "context_length": 4096,
    "embedding_length": 4096,
    "attention.head_count": 32,
}


def _derive(architecture: str = "llama", **changes: Value) -> ModelAttention:
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return attention_of(_header(architecture, {**PLAIN, **keys}))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, ModelAttention]:
    folder = tmp_path_factory.mktemp("geometry")
    return {
        name: attention_of(read_header(write_model(model, folder / f"{name}.gguf")))
        for name, model in SMALL_MODELS.items()
    }


def test_glm_is_latent_attention_at_ratio_20(small: Mapping[str, ModelAttention]) -> None:
    model = small["glm-4.7-flash"]
    assert [layer.layer for layer in model.layers] == [0, 1]
    assert model.layers[0] == LayerAttention(
        layer=0,
        n_head=20,
        n_head_kv=1,
        key_length=576,
        value_length=512,
        window=0,
        softcap=0.0,
        max_bias=0.0,
        sinks=False,
        latent=True,
    )
    assert model.layers[0].gqa_ratio == 20


def test_ratios_of_the_small_models(small: Mapping[str, ModelAttention]) -> None:
    assert {name: model.layers[0].gqa_ratio for name, model in small.items()} == {
        "glm-4.7-flash": 20,
        "mla-16": 16,
        "mla-128": 128,
        "llama-3-70b": 8,
        "multi-query": 48,
        "gemma-2-2b": 2,
        "gemma-3-1b": 4,
        "gpt-oss-20b": 8,
    }


def test_gemma_2_caps_its_scores_and_windows_its_even_layers(
    small: Mapping[str, ModelAttention],
) -> None:
    layers = small["gemma-2-2b"].layers
    assert [layer.window for layer in layers] == [512, 0]
    assert {layer.softcap for layer in layers} == {50.0}


def test_gemma_3_has_no_window_in_every_sixth_layer(small: Mapping[str, ModelAttention]) -> None:
    assert [layer.window for layer in small["gemma-3-1b"].layers] == [512] * 5 + [0]


def test_gpt_oss_has_sinks_in_every_layer(small: Mapping[str, ModelAttention]) -> None:
    layers = small["gpt-oss-20b"].layers
    assert [layer.sinks for layer in layers] == [True, True]
    assert [layer.window for layer in layers] == [128, 0]


def test_only_gpt_oss_has_sinks(small: Mapping[str, ModelAttention]) -> None:
    with_sinks = {name for name, model in small.items() if any(a.sinks for a in model.layers)}
    assert with_sinks == {"gpt-oss-20b"}


def test_a_header_alone_is_enough_for_all_47_layers(tmp_path: Path) -> None:
    path = write_header(MODELS["glm-4.7-flash-full"], tmp_path / "full.gguf")
    model = attention_of(read_header(path))
    assert len(model.layers) == 47
    assert {(a.key_length, a.value_length, a.gqa_ratio) for a in model.layers} == {(576, 512, 20)}


def test_without_a_tensor_list_sinks_are_assumed_and_said(tmp_path: Path) -> None:
    whole = write_header(SMALL_MODELS["gpt-oss-20b"], tmp_path / "whole.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: len(whole) // 2])
    model = attention_of(read_header(cut))
    assert all(layer.sinks for layer in model.layers)
    assert any("sinks" in assumption for assumption in model.assumptions)


def test_head_sizes_default_to_a_share_of_the_embedding() -> None:
    model = _derive()
    assert {(a.n_head, a.n_head_kv, a.key_length, a.value_length) for a in model.layers} == {
        (32, 32, 128, 128)
    }


def test_kv_heads_may_differ_by_layer_and_zero_means_no_attention() -> None:
    model = _derive(attention__head_count_kv=Array(count=4, values=(8, 0, 4, 0)))
    assert [(a.layer, a.gqa_ratio) for a in model.layers] == [(0, 4), (2, 8)]
    assert model.n_layer == 4


def test_a_hybrid_model_has_attention_in_every_nth_layer() -> None:
    model = _derive("qwen3next", full_attention_interval=2)
    assert [a.layer for a in model.layers] == [1, 3]


def test_a_window_pattern_in_the_file_wins() -> None:
    pattern = Array(count=4, values=(True, True, False, True))
    model = _derive(
        "gemma3",
        attention__sliding_window=1024,
        attention__sliding_window_pattern=pattern,
        attention__key_length=256,
        attention__key_length_swa=128,
        attention__value_length=256,
        attention__value_length_swa=128,
    )
    assert [a.window for a in model.layers] == [1024, 1024, 0, 1024]
    assert [a.key_length for a in model.layers] == [128, 128, 256, 128]


def test_a_window_of_an_architecture_that_has_none_is_ignored() -> None:
    # Mistral's and Qwen2's files carry a window that llama.cpp does not use.
    assert {a.window for a in _derive("llama", attention__sliding_window=4096).layers} == {0}


def test_alibi_comes_from_the_architecture_or_the_key() -> None:
    assert {a.max_bias for a in _derive("bloom").layers} == {8.0}
    assert {a.max_bias for a in _derive("mpt", attention__max_alibi_bias=4.0).layers} == {4.0}
    assert {a.max_bias for a in _derive("baichuan").layers} == {0.0}
    assert {a.max_bias for a in _derive("baichuan", block_count=40).layers} == {8.0}


def test_a_softcap_of_an_architecture_that_has_none_is_ignored() -> None:
    assert {a.softcap for a in _derive("llama", attn_logit_softcapping=30.0).layers} == {0.0}
    assert {a.softcap for a in _derive("gemma2", attn_logit_softcapping=30.0).layers} == {30.0}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"block_count": 100_000}, "block_count"),
        ({"block_count": "four"}, "block_count"),
        ({"attention.head_count": True}, "head_count"),
        ({"attention.head_count": -1}, "head_count"),
        ({"attention.head_count_kv": 5}, "32 heads over 5 KV heads"),
        ({"attention.head_count_kv": Array(count=2, values=(1, 1))}, "2 elements for 4 layers"),
        ({"attention.head_count_kv": Array(count=4, values=None)}, "4 elements for 4 layers"),
        ({"attention.key_length": 0}, "heads of 0"),
        ({"attention.max_alibi_bias": "steep"}, "not a number"),
    ],
)
def test_metadata_beyond_belief_are_refused(changes: Mapping[str, Value], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        attention_of(_header("llama", {**PLAIN, **changes}))


def test_a_missing_key_is_named() -> None:
    with pytest.raises(BadInput, match=r"llama\.block_count"):
        attention_of(_header("llama", {}))


def test_a_key_that_was_cut_off_says_so() -> None:
    with pytest.raises(BadInput, match="the file ends in its metadata"):
        attention_of(_header("llama", {}, cut=True))


def test_kv_heads_that_may_have_been_cut_off_are_an_assumption() -> None:
    model = attention_of(_header("llama", PLAIN, cut=True))
    assert any("head_count_kv" in assumption for assumption in model.assumptions)


def test_a_later_part_of_a_split_model_is_sent_back() -> None:
    header = _header("llama", {})
    later = Header(**{**vars(header), "metadata": {**header.metadata, "split.no": 2}})
    with pytest.raises(BadInput, match="part 3"):
        attention_of(later)
