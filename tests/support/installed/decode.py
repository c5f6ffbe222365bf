"""Decode random tokens with the installed llama_cpp and save every position's logits.

Run by the tests in the wheel's environment: it may import llama_cpp and numpy, nothing of ours.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

SEED = 20
FIRST_ORDINARY_TOKEN = 3
N_CTX = 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("logits", type=Path, help="a .npy file: float32, (tokens, vocabulary)")
    parser.add_argument("--flash-attn", choices=("on", "off"), required=True)
    parser.add_argument("--prefill", type=int, default=250)
    parser.add_argument("--decode", type=int, default=12)
    parser.add_argument("--gpu-layers", type=int, default=0)
    parser.add_argument("--cache-type", type=int, default=1, help="ggml's number; 1 is f16")
    parser.add_argument("--change-token", type=int, help="put another token at this position")
    args = parser.parse_args()
    log = llama_cpp.llama_log_callback(_print_log)  # must outlive every call
    llama_cpp.llama_log_set(log, None)
    llama_cpp.llama_backend_init()
    model = _load(args.model, args.gpu_layers)
    tokens = _tokens(model, args.prefill + args.decode, args.change_token)
    logits = _decode(model, tokens, args.prefill, args.flash_attn == "on", args.cache_type)
    np.save(args.logits, logits)


def _print_log(level: int, text: bytes, _data: Any) -> None:
    print(f"[{level}] {text.decode(errors='replace').rstrip()}", file=sys.stderr)


def _load(path: Path, gpu_layers: int) -> Any:
    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = gpu_layers
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    if not model:
        sys.exit(f"llama.cpp does not load {path}")
    return model


def _tokens(model: Any, count: int, change: int | None) -> list[int]:
    n_vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    generator = np.random.default_rng(SEED)
    tokens = [int(token) for token in generator.integers(FIRST_ORDINARY_TOKEN, n_vocab, count)]
    if change is not None:
        tokens[change] = FIRST_ORDINARY_TOKEN + (tokens[change] + 7) % (
            n_vocab - FIRST_ORDINARY_TOKEN
        )
    return tokens


def _decode(
    model: Any, tokens: list[int], prefill: int, flash_attn: bool, cache_type: int
) -> np.ndarray:
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = N_CTX
    params.n_batch = params.n_ubatch = N_CTX
    params.type_k = params.type_v = cache_type
    if hasattr(params, "flash_attn_type"):
        params.flash_attn_type = int(flash_attn)
    else:
        params.flash_attn = flash_attn
    context = llama_cpp.llama_init_from_model(model, params)
    if not context:
        sys.exit("llama.cpp creates no context")
    n_vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    steps = [tokens[:prefill], *([token] for token in tokens[prefill:])]
    rows = []
    position = 0
    for step in steps:
        _decode_step(context, step, position)
        position += len(step)
        for index in range(len(step)):
            pointer = llama_cpp.llama_get_logits_ith(context, index)
            rows.append(np.ctypeslib.as_array(pointer, (n_vocab,)).copy())
    llama_cpp.llama_free(context)
    return np.stack(rows)


def _decode_step(context: Any, tokens: list[int], position: int) -> None:
    batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for index, token in enumerate(tokens):
        batch.token[index] = token
        batch.pos[index] = position + index
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = 0
        batch.logits[index] = 1
    status = llama_cpp.llama_decode(context, batch)
    llama_cpp.llama_batch_free(batch)
    if status != 0:
        sys.exit(f"llama_decode returned {status} at position {position}")


if __name__ == "__main__":
    main()
