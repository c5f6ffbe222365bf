"""Decode with a model through one llama_cpp package and keep every token's logits.

Run as `python -m llamaproof.emulator.decode_worker JOB RESULT`, in a process of its own.

JOB: {"package", "model", "session": see `workers.handover`, "executor": path or null, "tokens",
"n_prefill", "type_k", "type_v", "n_gpu_layers", "flash_attn", "logits": a file to write, float32
[tokens, vocabulary] as numpy saves it}.
RESULT: {"steps": [{"position", "n_tokens", "seconds", "reports"}, ...]}, or {"error": ...}.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llamaproof.errors import LlamaproofError
from llamaproof.executor.loaded import Executor
from llamaproof.model_run import bindings
from llamaproof.model_run.bindings import Refused
from llamaproof.workers import handover
from llamaproof.workers.worker import serve

# Cells a context has beyond what is decoded: llama.cpp pads the cache to this itself.
_CONTEXT_STEP = 256


def examine(job: dict[str, Any]) -> dict[str, Any]:
    """The result of a job.

    Raises:
        LlamaproofError: llama.cpp refuses something; its log's last line is the hint.
    """
    log: list[str] = []
    try:
        steps, logits = decode(job, log)
    except Refused as refusal:
        lines = [line.strip() for line in "".join(log).splitlines() if line.strip()]
        raise LlamaproofError(str(refusal), hint=lines[-1] if lines else "") from refusal
    np.save(job["logits"], logits)
    return {"steps": steps}


def decode(
    job: dict[str, Any], log: list[str]
) -> tuple[list[dict[str, Any]], npt.NDArray[np.float32]]:
    """A prompt, then token by token; logits of all of them: float32 [tokens, vocabulary]."""
    handover.load(job["session"])
    llama = bindings.import_bindings(Path(job["package"]))
    callback = llama.llama_log_callback(
        lambda _level, text, _data: log.append(text.decode("utf-8", "replace"))
    )
    llama.llama_log_set(callback, None)
    llama.llama_backend_init()
    executor = Executor(job["executor"]) if job["executor"] is not None else None
    model, context = _open(llama, job)
    n_vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    rows = []
    steps = []
    tokens: list[int] = job["tokens"]
    position = 0
    while position < len(tokens):
        count = job["n_prefill"] if position == 0 else 1
        started = time.monotonic()
        rows.append(
            _step(llama, context, [t % n_vocab for t in tokens[position : position + count]],
                  position, n_vocab)
        )  # fmt: skip
        steps.append(
            {
                "position": position,
                "n_tokens": count,
                "seconds": time.monotonic() - started,
                "reports": executor.take_reports() if executor is not None else [],
            }
        )
        position += count
        print(position, flush=True)
    llama.llama_free(context)
    llama.llama_model_free(model)
    return steps, np.concatenate(rows)


def _open(llama: Any, job: dict[str, Any]) -> tuple[Any, Any]:
    # What is mapped from the file would be host memory the device reads behind the checker's back.
    model = bindings.load_model(
        llama, job["model"], n_gpu_layers=job["n_gpu_layers"], use_mmap=False
    )
    context = bindings.make_context(
        llama,
        model,
        n_ctx=-(-len(job["tokens"]) // _CONTEXT_STEP) * _CONTEXT_STEP,
        n_ubatch=max(job["n_prefill"], 1),
        cache_types=(job["type_k"], job["type_v"]),
        flash_attn=job["flash_attn"],
    )
    return model, context


def _step(
    llama: Any, context: Any, tokens: list[int], position: int, n_vocab: int
) -> npt.NDArray[np.float32]:
    bindings.decode(llama, context, tokens, position, all_logits=True)
    logits = llama.llama_get_logits(context)
    count = len(tokens) * n_vocab
    rows = np.array(np.ctypeslib.as_array(logits, shape=(count,)), np.float32)
    return rows.reshape(len(tokens), n_vocab)


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], examine))
