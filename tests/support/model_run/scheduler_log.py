"""Lines as ggml's scheduler prints them with GGML_SCHED_DEBUG=2, in its own column widths."""

from __future__ import annotations

from collections.abc import Sequence


def split(number: int, device: str, inputs: Sequence[str] = ()) -> str:
    listed = "".join(f"[{name} ({'1K':>5.5})] " for name in inputs)
    return (
        f"\n## SPLIT #{number}: {device} # {len(inputs)} inputs{': ' if inputs else ''}{listed}\n"
    )


def node(index: int, op: str, name: str, device: str, *sources: str, counted: bool = False) -> str:
    """A node; `counted` as releases from 2026 on print it, with the compute flag."""
    uses = "use=1,c=1:" if counted else "use=1:"
    read = "".join(f" {_column(s)} ({'1M':>5}) [{device[:5]:>5} {'':>8}]" for s in sources)
    own = f"{_column(name)} ({'1M':>5}) [{device[:5]:>5} {'2.cur':>8}]"
    return f"node #{index:3d} ({op[:10]:>10}): {own} {uses}{read}\n"


def attention(index: int, layer: int, device: str, name: str = "") -> str:
    sources = (
        f"Qcur-{layer} (reshaped) (permuted)",
        f"cache_k_l{layer} (view) (permuted)",
        f"cache_v_l{layer} (view) (permuted)",
        " (copy)",
    )
    return node(index, "FLASH_ATTN_EXT", name or f"node_{index}", device, *sources)


def two_layers(attention_device: str) -> str:
    """A two-layer model whose attention is on one device and everything else on CUDA0."""
    elsewhere = attention_device != "CUDA0"
    parts = [split(0, "CPU"), node(0, "GET_ROWS", "inp_embd", "CPU", "token_embd.weight")]
    number, index = 1, 1
    parts.append(split(number, "CUDA0", ["inp_embd"]))
    for layer in range(2):
        parts.append(node(index, "MUL_MAT", f"Qcur-{layer}", "CUDA0", f"blk.{layer}.attn_q.weight"))
        if elsewhere:
            number += 1
            parts.append(split(number, attention_device, ["Qcur", "K", "V"]))
        parts.append(attention(index + 1, layer, attention_device))
        if elsewhere:
            number += 1
            parts.append(split(number, "CUDA0", ["attention"]))
        parts.append(node(index + 2, "MUL_MAT", f"kqv_out-{layer}", "CUDA0"))
        index += 3
    return "".join(parts)


def _column(name: str) -> str:
    return f"{name[:20]:>20}"
