"""A llama_cpp in Python, for tests of the worker: written to a folder as a package of its own.

It logs what a scheduler would log, splits as many graphs, and fails where the model's name says so.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

llama_log_callback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_lib = SimpleNamespace(_name=str(Path(__file__).parent / "lib" / "libllama.so"))
_log: Any = None
_model = ""
_GRAPH = (
    "\n## SPLIT #0: CUDA0 # 0 inputs\n"
    "node #  1 (FLASH_ATTN):               node_1 (  20M) [CUDA0 2.cur   ] use=1:"
    " cache_k_l0 (view) (p (   1M) [CUDA0         ]\n"
)


def _say(text: str, level: int = 2) -> None:
    _log(level, text.encode(), None)


def llama_log_set(callback: Any, _data: Any) -> None:
    global _log
    _log = callback


def llama_backend_init() -> None:
    _say("toy: an odd thing\n", 3)


def llama_model_default_params() -> Any:
    return SimpleNamespace(n_gpu_layers=0)


def llama_context_default_params() -> Any:
    return SimpleNamespace(n_ctx=512, flash_attn=False, n_seq_max=1, kv_unified=False)


def llama_model_load_from_file(path: bytes, params: Any) -> Any:
    global _model
    _model = Path(path.decode()).name
    _say(f"load_tensors:        CUDA0 model buffer size = {float(params.n_gpu_layers):8.2f} MiB\n")
    if _model == "unloadable":
        _say("toy: no such tensor\n", 4)
        return None
    return object()


def llama_init_from_model(_handle: Any, params: Any) -> Any:
    assert params.flash_attn is True
    _say(f"toy: {params.n_seq_max} sequences, unified {params.kv_unified}\n", 3)
    if _model == "crowded" and params.n_ctx > 2048:
        _say("toy: out of memory\n", 4)
        return None
    _say(f"toy:      CUDA0 KV buffer size = {params.n_ctx / 1024:8.2f} MiB\n")
    if os.environ.get("GGML_SCHED_DEBUG") == "2":
        _say(_GRAPH, 1)
    return params


def llama_batch_init(n_tokens: int, _embd: int, _n_seq: int) -> Any:
    return SimpleNamespace(
        n_tokens=0,
        token=[0] * n_tokens,
        pos=[0] * n_tokens,
        n_seq_id=[0] * n_tokens,
        seq_id=[[0] for _ in range(n_tokens)],
        logits=[0] * n_tokens,
    )


def llama_decode(_context: Any, batch: Any) -> int:
    sequences: dict[int, list[int]] = {}
    for at, (sequence,) in zip(batch.pos, batch.seq_id, strict=True):
        sequences.setdefault(sequence, []).append(at)
    first, length = batch.pos[0], batch.n_tokens // len(sequences)
    assert all(at == list(range(first, first + length)) for at in sequences.values())
    assert sum(batch.logits) == len(sequences)
    _say(f"toy: {len(sequences)} sequences\n")
    if _model == "aborting":
        os.abort()
    _say(_GRAPH, 1)
    return -1 if _model == "failing" else 0


def llama_synchronize(_context: Any) -> None:
    pass


def llama_batch_free(_batch: Any) -> None:
    pass


def llama_free(_context: Any) -> None:
    pass


def llama_model_free(_handle: Any) -> None:
    pass
