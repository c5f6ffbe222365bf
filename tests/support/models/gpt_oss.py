"""GGUF architecture `gpt-oss`: heads of 64 with attention sinks, windows, and experts with bias."""

from __future__ import annotations

from tests.support.models import vocabulary
from tests.support.models.description import Description, Fill, Tensor

_N_LAYER = 2
_N_EMBD = 128
_N_FF_EXPERT = 64
_N_EXPERT = 4
_N_HEAD = 64
_N_HEAD_KV = 8
_HEAD_SIZE = 64


def gpt_oss_20b() -> Description:
    """gpt-oss-20b's attention: 64 heads of 64 over 8, sinks, every other layer 128 tokens wide."""
    return Description(
        name="gpt-oss-20b",
        architecture="gpt-oss",
        metadata={
            "context_length": 131072,
            "embedding_length": _N_EMBD,
            "block_count": _N_LAYER,
            "feed_forward_length": _N_FF_EXPERT,
            "attention.head_count": _N_HEAD,
            "attention.head_count_kv": _N_HEAD_KV,
            "attention.key_length": _HEAD_SIZE,
            "attention.value_length": _HEAD_SIZE,
            "attention.layer_norm_rms_epsilon": 1e-5,
            "attention.sliding_window": 128,
            "rope.dimension_count": _HEAD_SIZE,
            "rope.freq_base": 150_000.0,
            "expert_count": _N_EXPERT,
            "expert_used_count": _N_EXPERT,  # all: see deepseek2.py
            "expert_feed_forward_length": _N_FF_EXPERT,
        },
        tensors=(
            Tensor(name="token_embd.weight", shape=(_N_EMBD, vocabulary.SIZE), fill="embedding"),
            Tensor(name="output_norm.weight", shape=(_N_EMBD,), fill="norm"),
            Tensor(name="output.weight", shape=(_N_EMBD, vocabulary.SIZE), fill="matrix"),
            *(
                Tensor(name=f"blk.{layer}.{name}", shape=dims, fill=fill)
                for layer in range(_N_LAYER)
                for name, dims, fill in _block()
            ),
        ),
        tokens=vocabulary.SIZE,
    )


def _block() -> tuple[tuple[str, tuple[int, ...], Fill], ...]:
    n_query = _N_HEAD * _HEAD_SIZE
    n_kv = _N_HEAD_KV * _HEAD_SIZE
    return (
        ("attn_norm.weight", (_N_EMBD,), "norm"),
        ("attn_q.weight", (_N_EMBD, n_query), "matrix"),
        ("attn_k.weight", (_N_EMBD, n_kv), "matrix"),
        ("attn_v.weight", (_N_EMBD, n_kv), "matrix"),
        ("attn_output.weight", (n_query, _N_EMBD), "matrix"),
        ("attn_q.bias", (n_query,), "bias"),
        ("attn_k.bias", (n_kv,), "bias"),
        ("attn_v.bias", (n_kv,), "bias"),
        ("attn_output.bias", (_N_EMBD,), "bias"),
        ("attn_sinks.weight", (_N_HEAD,), "bias"),
        ("post_attention_norm.weight", (_N_EMBD,), "norm"),
        ("ffn_gate_inp.weight", (_N_EMBD, _N_EXPERT), "router"),
        ("ffn_gate_inp.bias", (_N_EXPERT,), "bias"),
        ("ffn_gate_exps.weight", (_N_EMBD, _N_FF_EXPERT, _N_EXPERT), "expert"),
        ("ffn_down_exps.weight", (_N_FF_EXPERT, _N_EMBD, _N_EXPERT), "expert"),
        ("ffn_up_exps.weight", (_N_EMBD, _N_FF_EXPERT, _N_EXPERT), "expert"),
        ("ffn_gate_exps.bias", (_N_FF_EXPERT, _N_EXPERT), "bias"),
        ("ffn_down_exps.bias", (_N_EMBD, _N_EXPERT), "bias"),
        ("ffn_up_exps.bias", (_N_FF_EXPERT, _N_EXPERT), "bias"),
    )
