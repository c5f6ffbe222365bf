"""A llama_cpp package's own ctypes bindings, used without its Python dependencies.

Everywhere here `llama` is the package's ctypes module, `model` and `context` are its pointers.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Refused(Exception):
    """llama.cpp returned an error; its log says why."""


def import_bindings(package: Path) -> Any:
    """The package's ctypes module, without running the package's `__init__`."""
    try:
        importlib.import_module("typing_extensions")
    except ImportError:
        # All that the bindings take from it is TypeAlias, which Python has had since 3.10.
        sys.modules["typing_extensions"] = typing
    stand_in = types.ModuleType(package.name)
    stand_in.__path__ = [str(package)]
    sys.modules[package.name] = stand_in
    return importlib.import_module(f"{package.name}.llama_cpp")


def devices_of(lib_dir: Path) -> list[str]:
    """Names of the devices that ggml found, as in `CUDA0: NVIDIA L40S`."""
    base = ctypes.CDLL(str(_library(lib_dir, "libggml-base.so")))
    ggml = ctypes.CDLL(str(_library(lib_dir, "libggml.so")))
    ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    ggml.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    words = []
    for name in ("ggml_backend_dev_name", "ggml_backend_dev_description"):
        function = getattr(base, name)
        function.argtypes = [ctypes.c_void_p]
        function.restype = ctypes.c_char_p
        words.append(function)
    devices = [ggml.ggml_backend_dev_get(i) for i in range(ggml.ggml_backend_dev_count())]
    return [": ".join(word(device).decode() for word in words) for device in devices]


def load_model(llama: Any, path: str, *, n_gpu_layers: int, use_mmap: bool = True) -> Any:
    """Load a GGUF file.

    Raises:
        Refused: llama.cpp does not load it.
    """
    params = llama.llama_model_default_params()
    params.n_gpu_layers = n_gpu_layers
    params.use_mmap = use_mmap
    model = llama.llama_model_load_from_file(os.fsencode(path), params)
    if not model:
        raise Refused("llama.cpp does not load the model")
    return model


def make_context(
    llama: Any,
    model: Any,
    *,
    n_ctx: int,
    n_ubatch: int,
    cache_types: tuple[int, int],
    flash_attn: bool,
    n_seq_max: int = 1,
    kv_unified: bool = False,
) -> Any:
    """A context of so many tokens, computed so many at a time.

    Args:
        n_ctx: of all sequences; without a unified cache each has its share of them.
        cache_types: of K and V, as ggml numbers them.
        n_seq_max: sequences that it can hold.
        kv_unified: they share one cache; otherwise each has its own.

    Raises:
        Refused: llama.cpp creates none.
    """
    params = llama.llama_context_default_params()
    params.n_ctx = n_ctx
    params.n_batch = params.n_ubatch = n_ubatch
    params.type_k, params.type_v = cache_types
    if n_seq_max > 1:
        if not hasattr(params, "kv_unified"):  # before llama.cpp #14363
            raise Refused("these bindings know no cache that several sequences share or divide")
        params.n_seq_max, params.kv_unified = n_seq_max, kv_unified
    if hasattr(params, "flash_attn_type"):  # from llama.cpp #15434 on
        params.flash_attn_type = 1 if flash_attn else 0
    else:
        params.flash_attn = flash_attn
    context = llama.llama_init_from_model(model, params)
    if not context:
        raise Refused(f"llama.cpp creates no context of {n_ctx} tokens")
    return context


def decode(
    llama: Any,
    context: Any,
    tokens: Sequence[int],
    position: int,
    *,
    all_logits: bool = False,
    n_sequences: int = 1,
) -> None:
    """Compute tokens from a position on, and wait for them.

    Args:
        tokens: of several sequences in turn, as many of each: the first of every one, then the
            second of every one.
        position: in each sequence.
        all_logits: keep the logits of every token, not of the last of each sequence alone.

    Raises:
        Refused: llama_decode returns an error.
    """
    batch = llama.llama_batch_init(len(tokens), 0, 1)
    try:
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index] = token
            batch.pos[index] = position + index // n_sequences
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = index % n_sequences
            batch.logits[index] = all_logits or index >= len(tokens) - n_sequences
        status = llama.llama_decode(context, batch)
        llama.llama_synchronize(context)
    finally:
        llama.llama_batch_free(batch)
    if status != 0:
        raise Refused(f"llama_decode returned {status} at position {position}")


def _library(lib_dir: Path, name: str) -> Path:
    return next(iter(sorted(lib_dir.glob(f"{name}*"))), lib_dir / name)
