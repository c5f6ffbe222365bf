"""GGUF architectures `gemma2` and `gemma3`: heads of 256, sliding windows, softcap (gemma2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.models import vocabulary
from tests.support.models.description import Description, Fill, Tensor, Value

_N_EMBD = 128
_N_FF = 256
_HEAD_SIZE = 256


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What tells one Gemma from another here."""

    architecture: str
    n_layer: int
    n_head: int
    n_head_kv: int
    query_key_norm: bool
    metadata: Mapping[str, Value]


def gemma_2_2b() -> Description:
    """Gemma-2-2B: 8 heads over 4, every other layer windowed, scores capped at 50.

    The window is 512 tokens instead of 4096, so that a short context leaves it.
    """
    return _describe(
        "gemma-2-2b",
        Shape(
            architecture="gemma2",
            n_layer=2,
            n_head=8,
            n_head_kv=4,
            query_key_norm=False,
            metadata={
                "attention.sliding_window": 512,
                "attn_logit_softcapping": 50.0,
                "final_logit_softcapping": 30.0,
            },
        ),
    )


def gemma_3_1b() -> Description:
    """Gemma-3-1B: 4 heads over 1, windows of 512; six layers, as one in six has no window."""
    return _describe(
        "gemma-3-1b",
        Shape(
            architecture="gemma3",
            n_layer=6,
            n_head=4,
            n_head_kv=1,
            query_key_norm=True,
            metadata={"attention.sliding_window": 512, "rope.freq_base": 1_000_000.0},
        ),
    )


def _describe(name: str, shape: Shape) -> Description:
    return Description(
        name=name,
        architecture=shape.architecture,
        metadata={
            "context_length": 32768,
            "embedding_length": _N_EMBD,
            "block_count": shape.n_layer,
            "feed_forward_length": _N_FF,
            "attention.head_count": shape.n_head,
            "attention.head_count_kv": shape.n_head_kv,
            "attention.key_length": _HEAD_SIZE,
            "attention.value_length": _HEAD_SIZE,
            "attention.layer_norm_rms_epsilon": 1e-6,
            **shape.metadata,
        },
        tensors=(
            # The output matrix is this one again, and inputs are scaled by sqrt(n_embd).
            Tensor(name="token_embd.weight", shape=(_N_EMBD, vocabulary.SIZE), fill="matrix"),
            Tensor(name="output_norm.weight", shape=(_N_EMBD,), fill="norm"),
            *(
                Tensor(name=f"blk.{layer}.{name}", shape=dims, fill=fill)
                for layer in range(shape.n_layer)
                for name, dims, fill in _block(shape)
            ),
        ),
        tokens=vocabulary.SIZE,
    )


def _block(shape: Shape) -> tuple[tuple[str, tuple[int, ...], Fill], ...]:
    n_query = shape.n_head * _HEAD_SIZE
    n_kv = shape.n_head_kv * _HEAD_SIZE
    norms: tuple[tuple[str, tuple[int, ...], Fill], ...] = (
        ("attn_q_norm.weight", (_HEAD_SIZE,), "norm"),
        ("attn_k_norm.weight", (_HEAD_SIZE,), "norm"),
    )
    return (
        ("attn_norm.weight", (_N_EMBD,), "norm"),
        ("attn_q.weight", (_N_EMBD, n_query), "matrix"),
        ("attn_k.weight", (_N_EMBD, n_kv), "matrix"),
        ("attn_v.weight", (_N_EMBD, n_kv), "matrix"),
        ("attn_output.weight", (n_query, _N_EMBD), "matrix"),
        *(norms if shape.query_key_norm else ()),
        ("post_attention_norm.weight", (_N_EMBD,), "norm"),
        ("ffn_norm.weight", (_N_EMBD,), "norm"),
        ("ffn_gate.weight", (_N_EMBD, _N_FF), "matrix"),
        ("ffn_down.weight", (_N_FF, _N_EMBD), "matrix"),
        ("ffn_up.weight", (_N_EMBD, _N_FF), "matrix"),
        ("post_ffw_norm.weight", (_N_EMBD,), "norm"),
    )
