"""Use a cache in the ways that a server does with the installed llama_cpp; save the logits of each.

Run by the tests in the wheel's environment: it may import llama_cpp and numpy, nothing of ours.
The .npz file has float32 (vocabulary) for each way; ways that must agree have the same tokens.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

Logits = np.ndarray[Any, np.dtype[np.float32]]

PROMPT = 200
STEPS = 5
N_SEQ = 3
N_CTX = 512


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("logits", type=Path)
    parser.add_argument("--flash-attn", choices=("on", "off"), required=True)
    parser.add_argument("--cache-type", type=int, default=1, help="ggml's number; 1 is f16")
    parser.add_argument("--cache-type-v", type=int, help="where it differs")
    args = parser.parse_args()
    log = llama_cpp.llama_log_callback(_print_log)  # must outlive every call
    llama_cpp.llama_log_set(log, None)
    llama_cpp.llama_backend_init()
    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = 0
    model = llama_cpp.llama_model_load_from_file(str(args.model).encode(), params)
    if not model:
        sys.exit(f"llama.cpp does not load {args.model}")
    ways: dict[str, Any] = _ways(model, args)
    np.savez(args.logits, **ways)


def _ways(model: Any, args: argparse.Namespace) -> dict[str, Logits]:
    n_vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    tokens = [int(t) for t in np.random.default_rng(7).integers(3, n_vocab, PROMPT + STEPS)]
    prompt, steps = tokens[:PROMPT], tokens[PROMPT:]

    def fresh(**settings: Any) -> _Context:
        return _Context(model, n_vocab, args, **settings)

    with_prompt = fresh()
    with_prompt.decode(prompt, 0)
    whole, one = with_prompt.state(), with_prompt.state_of(0)
    ways = {"plain": with_prompt.decode(steps, PROMPT)}
    restored = fresh()
    restored.restore(whole)
    ways["state restored"] = restored.decode(steps, PROMPT)
    restored = fresh()
    restored.restore_to(0, one)
    ways["sequence restored"] = restored.decode(steps, PROMPT)
    for unified in (False, True):
        many = fresh(n_seq_max=N_SEQ, kv_unified=unified)
        many.decode(prompt, 0, seq=1)
        many.copy(1, 2)
        name = "unified" if unified else "streams"
        ways[f"copied, {name}"] = many.decode(steps, PROMPT, seq=2)
        ways[f"own, {name}"] = many.decode(steps, PROMPT, seq=1)
    shifted = fresh()
    shifted.decode(prompt, 0)
    shifted.forget(10, 60)
    ways["shifted"] = shifted.decode(steps, PROMPT - 50)
    return ways


class _Context:
    """A context of llama.cpp's, and its memory."""

    def __init__(
        self,
        model: Any,
        n_vocab: int,
        args: argparse.Namespace,
        *,
        n_seq_max: int = 1,
        kv_unified: bool = False,
    ) -> None:
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = N_CTX * n_seq_max
        params.flash_attn = args.flash_attn == "on"
        params.type_k = args.cache_type
        params.type_v = args.cache_type if args.cache_type_v is None else args.cache_type_v
        params.n_seq_max = n_seq_max
        params.kv_unified = kv_unified
        self._context = llama_cpp.llama_init_from_model(model, params)
        if not self._context:
            sys.exit("llama.cpp makes no context")
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._n_vocab = n_vocab

    def decode(self, tokens: list[int], start: int, *, seq: int = 0) -> Logits:
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, start + i, 1
            batch.seq_id[i][0] = seq
            batch.logits[i] = i == len(tokens) - 1
        if llama_cpp.llama_decode(self._context, batch) != 0:
            sys.exit("llama_decode fails")
        llama_cpp.llama_batch_free(batch)
        logits = llama_cpp.llama_get_logits_ith(self._context, len(tokens) - 1)
        copied: Logits = np.ctypeslib.as_array(logits, (self._n_vocab,)).copy()
        return copied

    def state(self) -> Any:
        room = (ctypes.c_uint8 * llama_cpp.llama_state_get_size(self._context))()
        llama_cpp.llama_state_get_data(self._context, room, len(room))
        return room

    def state_of(self, seq: int) -> Any:
        room = (ctypes.c_uint8 * llama_cpp.llama_state_seq_get_size(self._context, seq))()
        llama_cpp.llama_state_seq_get_data(self._context, room, len(room), seq)
        return room

    def restore(self, state: Any) -> None:
        if llama_cpp.llama_state_set_data(self._context, state, len(state)) == 0:
            sys.exit("llama_state_set_data fails")

    def restore_to(self, seq: int, state: Any) -> None:
        if llama_cpp.llama_state_seq_set_data(self._context, state, len(state), seq) == 0:
            sys.exit("llama_state_seq_set_data fails")

    def copy(self, source: int, target: int) -> None:
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def forget(self, start: int, end: int) -> None:
        """Remove positions and move what follows into their place."""
        llama_cpp.llama_memory_seq_rm(self._memory, 0, start, end)
        llama_cpp.llama_memory_seq_add(self._memory, 0, end, -1, start - end)


def _print_log(level: int, text: bytes, _data: Any) -> None:
    print(f"[{level}] {text.decode(errors='replace').rstrip()}", file=sys.stderr)


if __name__ == "__main__":
    main()
