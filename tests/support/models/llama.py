"""GGUF architecture `llama`: grouped-query attention with rotary embeddings (GQA, MQA)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.models import vocabulary
from tests.support.models.description import Description, Fill, Tensor

_N_LAYER = 2
_N_EMBD = 128
_N_FF = 256


@dataclass(frozen=True, kw_only=True)
class Heads:
    """Attention geometry: query heads, KV heads and the size of each."""

    n_head: int
    n_head_kv: int
    head_size: int


def llama_3_70b() -> Description:
    """Llama-3-70B's attention: 64 heads of 128 over 8 KV heads, GQA ratio 8."""
    return describe("llama-3-70b", Heads(n_head=64, n_head_kv=8, head_size=128))


def multi_query() -> Description:
    """Multi-query attention as in Granite-20B-Code: 48 heads of 128 over one KV head."""
    return describe("multi-query", Heads(n_head=48, n_head_kv=1, head_size=128))


def describe(name: str, heads: Heads) -> Description:
    """A two-layer llama model with the given attention."""
    return Description(
        name=name,
        architecture="llama",
        metadata={
            "context_length": 131072,
            "embedding_length": _N_EMBD,
            "block_count": _N_LAYER,
            "feed_forward_length": _N_FF,
            "vocab_size": vocabulary.SIZE,
            "attention.head_count": heads.n_head,
            "attention.head_count_kv": heads.n_head_kv,
            "attention.key_length": heads.head_size,
            "attention.value_length": heads.head_size,
            "attention.layer_norm_rms_epsilon": 1e-5,
            "rope.dimension_count": heads.head_size,
            "rope.freq_base": 500_000.0,
        },
        tensors=(
            Tensor(name="token_embd.weight", shape=(_N_EMBD, vocabulary.SIZE), fill="embedding"),
            Tensor(name="output_norm.weight", shape=(_N_EMBD,), fill="norm"),
            Tensor(name="output.weight", shape=(_N_EMBD, vocabulary.SIZE), fill="matrix"),
            *(
                Tensor(name=f"blk.{layer}.{name}", shape=dims, fill=fill)
                for layer in range(_N_LAYER)
                for name, dims, fill in _block(heads)
            ),
        ),
        tokens=vocabulary.SIZE,
    )


def _block(heads: Heads) -> tuple[tuple[str, tuple[int, ...], Fill], ...]:
    n_query = heads.n_head * heads.head_size
    n_kv = heads.n_head_kv * heads.head_size
    return (
        ("attn_norm.weight", (_N_EMBD,), "norm"),
        ("attn_q.weight", (_N_EMBD, n_query), "matrix"),
        ("attn_k.weight", (_N_EMBD, n_kv), "matrix"),
        ("attn_v.weight", (_N_EMBD, n_kv), "matrix"),
        ("attn_output.weight", (n_query, _N_EMBD), "matrix"),
        ("ffn_norm.weight", (_N_EMBD,), "norm"),
        ("ffn_gate.weight", (_N_EMBD, _N_FF), "matrix"),
        ("ffn_down.weight", (_N_FF, _N_EMBD), "matrix"),
        ("ffn_up.weight", (_N_EMBD, _N_FF), "matrix"),
    )
