"""GGUF architecture `deepseek2`: multi-head latent attention (MLA) and a mixture of experts.

llama.cpp runs MLA as attention over one KV head: keys of kv_lora_rank + rope dimensions, values of
kv_lora_rank, shared by every query head. `key_length_mla` and `value_length_mla` are the sizes
before that compression. Names and shapes follow llama.cpp's loader (`LLM_ARCH_DEEPSEEK2` in
src/llama-model.cpp of 0.3.16 and 0.3.17, src/models/deepseek2.cpp of 0.3.36): one file that all
three load. The small models use every expert for every token: choosing some would make the logits
jump where two experts are nearly equal, and two right ways of running attention differ there.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.models import vocabulary
from tests.support.models.description import Description, Fill, Tensor

# llama.cpp's LLAMA_EXPERT_GATING_FUNC_TYPE_SIGMOID (src/llama-hparams.h)
_GATING_SIGMOID = 2


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The dimensions of a deepseek2 model; `*_mla` are per head, before compression."""

    n_layer: int
    n_layer_dense: int
    n_embd: int
    n_ff: int
    n_ff_expert: int
    n_expert: int
    n_expert_used: int
    n_head: int
    q_lora_rank: int
    kv_lora_rank: int
    n_rope: int
    key_length_mla: int
    value_length_mla: int
    n_ctx_train: int
    n_vocab: int

    @property
    def key_length(self) -> int:
        return self.kv_lora_rank + self.n_rope

    @property
    def value_length(self) -> int:
        return self.kv_lora_rank


def glm_4_7_flash() -> Description:
    """GLM-4.7-Flash's attention (20 heads on 1 latent KV head, 576/512) in two small layers.

    The per-head sizes before compression (192 + 64 and 256 in the real one) are smaller here:
    attention never sees them, and they are what would make the file large.
    """
    return _describe(
        "glm-4.7-flash",
        Shape(
            n_layer=2,
            n_layer_dense=1,
            n_embd=128,
            n_ff=256,
            n_ff_expert=64,
            n_expert=4,
            n_expert_used=4,
            n_head=20,
            q_lora_rank=768,
            kv_lora_rank=512,
            n_rope=64,
            key_length_mla=96,
            value_length_mla=32,
            n_ctx_train=202752,
            n_vocab=vocabulary.SIZE,
        ),
    )


def glm_4_7_flash_full() -> Description:
    """GLM-4.7-Flash at its real size, from its published config.json."""
    return _describe(
        "glm-4.7-flash-full",
        Shape(
            n_layer=47,
            n_layer_dense=1,
            n_embd=2048,
            n_ff=10240,
            n_ff_expert=1536,
            n_expert=64,
            n_expert_used=4,
            n_head=20,
            q_lora_rank=768,
            kv_lora_rank=512,
            n_rope=64,
            key_length_mla=256,
            value_length_mla=256,
            n_ctx_train=202752,
            n_vocab=154880,
        ),
    )


def mla(*, name: str, n_head: int) -> Description:
    """DeepSeek's MLA (576/512, one latent KV head) with `n_head` heads: that is the GQA ratio.

    DeepSeek-V2-Lite has 16 heads, DeepSeek-V3 128. The sizes before compression are smaller than
    theirs, as in `glm_4_7_flash`.
    """
    return _describe(
        name,
        Shape(
            n_layer=2,
            n_layer_dense=1,
            n_embd=128,
            n_ff=256,
            n_ff_expert=64,
            n_expert=4,
            n_expert_used=4,
            n_head=n_head,
            q_lora_rank=64,
            kv_lora_rank=512,
            n_rope=64,
            key_length_mla=96,
            value_length_mla=16,
            n_ctx_train=163840,
            n_vocab=vocabulary.SIZE,
        ),
    )


def _describe(name: str, shape: Shape) -> Description:
    blocks = (_block(layer, shape) for layer in range(shape.n_layer))
    return Description(
        name=name,
        architecture="deepseek2",
        metadata={
            "context_length": shape.n_ctx_train,
            "embedding_length": shape.n_embd,
            "block_count": shape.n_layer,
            "feed_forward_length": shape.n_ff,
            "vocab_size": shape.n_vocab,
            "leading_dense_block_count": shape.n_layer_dense,
            "attention.head_count": shape.n_head,
            "attention.head_count_kv": 1,
            "attention.layer_norm_rms_epsilon": 1e-5,
            "attention.key_length": shape.key_length,
            "attention.value_length": shape.value_length,
            "attention.key_length_mla": shape.key_length_mla,
            "attention.value_length_mla": shape.value_length_mla,
            "attention.q_lora_rank": shape.q_lora_rank,
            "attention.kv_lora_rank": shape.kv_lora_rank,
            "rope.dimension_count": shape.n_rope,
            "rope.freq_base": 1_000_000.0,
            "expert_count": shape.n_expert,
            "expert_used_count": shape.n_expert_used,
            "expert_shared_count": 1,
            "expert_feed_forward_length": shape.n_ff_expert,
            "expert_weights_scale": 1.8,
            "expert_weights_norm": True,
            "expert_gating_func": _GATING_SIGMOID,
        },
        tensors=(
            Tensor(name="token_embd.weight", shape=(shape.n_embd, shape.n_vocab), fill="embedding"),
            Tensor(name="output_norm.weight", shape=(shape.n_embd,), fill="norm"),
            Tensor(name="output.weight", shape=(shape.n_embd, shape.n_vocab), fill="matrix"),
            *(tensor for block in blocks for tensor in block),
        ),
        tokens=shape.n_vocab,
    )


def _block(layer: int, shape: Shape) -> tuple[Tensor, ...]:
    feed_forward = _dense if layer < shape.n_layer_dense else _experts
    parts = (*_attention(shape), *feed_forward(shape))
    return tuple(
        Tensor(name=f"blk.{layer}.{name}", shape=dims, fill=fill) for name, dims, fill in parts
    )


def _attention(s: Shape) -> tuple[tuple[str, tuple[int, ...], Fill], ...]:
    n_nope = s.key_length_mla - s.n_rope
    return (
        ("attn_norm.weight", (s.n_embd,), "norm"),
        ("attn_q_a_norm.weight", (s.q_lora_rank,), "norm"),
        ("attn_kv_a_norm.weight", (s.kv_lora_rank,), "norm"),
        ("attn_q_a.weight", (s.n_embd, s.q_lora_rank), "matrix"),
        ("attn_q_b.weight", (s.q_lora_rank, s.n_head * s.key_length_mla), "matrix"),
        ("attn_kv_a_mqa.weight", (s.n_embd, s.kv_lora_rank + s.n_rope), "matrix"),
        ("attn_k_b.weight", (n_nope, s.kv_lora_rank, s.n_head), "matrix"),
        ("attn_v_b.weight", (s.kv_lora_rank, s.value_length_mla, s.n_head), "matrix"),
        ("attn_output.weight", (s.n_head * s.value_length_mla, s.n_embd), "matrix"),
        ("ffn_norm.weight", (s.n_embd,), "norm"),
    )


def _dense(s: Shape) -> tuple[tuple[str, tuple[int, ...], Fill], ...]:
    return (
        ("ffn_gate.weight", (s.n_embd, s.n_ff), "matrix"),
        ("ffn_down.weight", (s.n_ff, s.n_embd), "matrix"),
        ("ffn_up.weight", (s.n_embd, s.n_ff), "matrix"),
    )


def _experts(s: Shape) -> tuple[tuple[str, tuple[int, ...], Fill], ...]:
    return (
        ("ffn_gate_inp.weight", (s.n_embd, s.n_expert), "router"),
        ("exp_probs_b.bias", (s.n_expert,), "bias"),
        ("ffn_gate_exps.weight", (s.n_embd, s.n_ff_expert, s.n_expert), "expert"),
        ("ffn_down_exps.weight", (s.n_ff_expert, s.n_embd, s.n_expert), "expert"),
        ("ffn_up_exps.weight", (s.n_embd, s.n_ff_expert, s.n_expert), "expert"),
        ("ffn_gate_shexp.weight", (s.n_embd, s.n_ff_expert), "matrix"),
        ("ffn_down_shexp.weight", (s.n_ff_expert, s.n_embd), "matrix"),
        ("ffn_up_shexp.weight", (s.n_embd, s.n_ff_expert), "matrix"),
    )
