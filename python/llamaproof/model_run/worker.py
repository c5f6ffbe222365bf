"""Load a model through one llama_cpp package and decode with it, telling everything it logs.

Run as a module in a process of its own, with the package's libraries and (for a shadow GPU) the
shadow runtime in its environment. Only the package's ctypes module is imported: its `__init__`
would ask for dependencies (jinja2, diskcache) that have nothing to do with where attention runs.

Run as `python -m llamaproof.model_run.worker JOB RESULT`.

JOB: {"package", "model", "flash_attn", "type_k", "type_v", "n_gpu_layers", "n_ctx", "n_ubatch",
"n_prefill", "n_decode", "memory_contexts": [n_ctx, ...], "session": see `handover`, or null}.
RESULT: one object a line, written as each phase begins and ends: {"begin": phase} and
{"end": phase, "log": text, "launches": ...}. What is missing at the end is where it died. Lines
of the log that are warnings or errors begin with WARNING_MARK or ERROR_MARK.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import sys
import types
import typing
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llamaproof.model_run.log import ERROR_MARK, WARNING_MARK
from llamaproof.shadow import Launch, Shadow
from llamaproof.workers import handover

# llama.cpp keeps token ids below this for control tokens in every usual vocabulary; which tokens
# are decoded does not change where they are.
_FIRST_TOKEN = 3

# GGML_LOG_LEVEL_WARN and GGML_LOG_LEVEL_ERROR of ggml.h
_MARKS = {3: WARNING_MARK, 4: ERROR_MARK}


class Failure(Exception):
    """llama.cpp returned an error; its log says why."""


class Journal:
    """Collects llama.cpp's log and writes each phase to the output as it ends."""

    def __init__(self, output: typing.TextIO) -> None:
        self._output = output
        self._log: list[str] = []

    def on_log(self, level: int, text: bytes, _data: Any) -> None:
        self._log.append(_MARKS.get(level, "") + text.decode("utf-8", "replace"))

    @contextmanager
    def phase(self, name: str, **details: Any) -> typing.Iterator[dict[str, Any]]:
        self._write({"begin": name, **details})
        print("phase:", name, *details.values(), flush=True)
        self._log.clear()
        results: dict[str, Any] = {}
        error = None
        try:
            yield results
        except Failure as failure:
            error = str(failure)
            raise
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
            raise Failure(error) from failure
        finally:
            record = {"end": name, **details, **results, "log": "".join(self._log)}
            self._write({**record, "error": error} if error else record)

    def _write(self, record: dict[str, Any]) -> None:
        self._output.write(json.dumps(record) + "\n")
        self._output.flush()


def main(arguments: Sequence[str]) -> int:
    spec = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    with Path(arguments[1]).open("w", encoding="utf-8") as output:
        journal = Journal(output)
        try:
            _examine(spec, journal)
        except Failure:
            return 3
    return 0


def _examine(spec: dict[str, Any], journal: Journal) -> None:
    with journal.phase("import") as results:
        # Before any library of the package: what is loaded first is what it finds.
        recorder = handover.load(spec["session"]) if spec["session"] else None
        llama = import_bindings(Path(spec["package"]))
        callback = llama.llama_log_callback(journal.on_log)
        llama.llama_log_set(callback, None)
        llama.llama_backend_init()
        results["devices"] = devices_of(Path(llama._lib._name).parent)
    with journal.phase("load"):
        model = _load(llama, spec)
    _decode(llama, model, spec, journal, recorder)
    _measure_memory(llama, model, spec, journal)
    llama.llama_model_free(model)


def _measure_memory(llama: Any, model: Any, spec: dict[str, Any], journal: Journal) -> None:
    for n_ctx in spec["memory_contexts"]:
        try:
            with journal.phase("memory", n_ctx=n_ctx):
                llama.llama_free(_context(llama, model, spec, n_ctx))
        except Failure:
            return  # what is longer still does not fit either


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


def _library(lib_dir: Path, name: str) -> Path:
    return next(iter(sorted(lib_dir.glob(f"{name}*"))), lib_dir / name)


def _load(llama: Any, spec: dict[str, Any]) -> Any:
    params = llama.llama_model_default_params()
    params.n_gpu_layers = spec["n_gpu_layers"]
    model = llama.llama_model_load_from_file(os.fsencode(spec["model"]), params)
    if not model:
        raise Failure("llama.cpp does not load the model")
    return model


def _context(llama: Any, model: Any, spec: dict[str, Any], n_ctx: int) -> Any:
    params = llama.llama_context_default_params()
    params.n_ctx = n_ctx
    params.n_batch = params.n_ubatch = spec["n_ubatch"]
    params.type_k = spec["type_k"]
    params.type_v = spec["type_v"]
    if hasattr(params, "flash_attn_type"):  # from llama.cpp #15434 on
        params.flash_attn_type = 1 if spec["flash_attn"] else 0
    else:
        params.flash_attn = spec["flash_attn"]
    context = llama.llama_init_from_model(model, params)
    if not context:
        raise Failure(f"llama.cpp creates no context of {n_ctx} tokens")
    return context


def _decode(
    llama: Any, model: Any, spec: dict[str, Any], journal: Journal, recorder: Shadow | None
) -> None:
    os.environ["GGML_SCHED_DEBUG"] = "2"  # read when a context makes its scheduler
    with journal.phase("context", n_ctx=spec["n_ctx"]):
        context = _context(llama, model, spec, spec["n_ctx"])
    del os.environ["GGML_SCHED_DEBUG"]
    n_prefill = spec["n_prefill"]
    _step(llama, context, journal, recorder, "prefill", 0, n_prefill)
    for index in range(spec["n_decode"]):
        _step(llama, context, journal, recorder, "decode", n_prefill + index, 1)
    llama.llama_free(context)


def _step(
    llama: Any,
    context: Any,
    journal: Journal,
    recorder: Shadow | None,
    phase: str,
    position: int,
    n_tokens: int,
) -> None:
    if recorder is not None:
        recorder.reset()  # what came before is not this step's
    with journal.phase(phase, n_tokens=n_tokens, position=position) as results:
        batch = llama.llama_batch_init(n_tokens, 0, 1)
        batch.n_tokens = n_tokens
        for index in range(n_tokens):
            batch.token[index] = _FIRST_TOKEN
            batch.pos[index] = position + index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = 0
            batch.logits[index] = index == n_tokens - 1
        status = llama.llama_decode(context, batch)
        llama.llama_synchronize(context)
        llama.llama_batch_free(batch)
        results["launches"] = _launches(recorder)
        if status != 0:
            raise Failure(f"llama_decode returned {status}")


def _launches(recorder: Shadow | None) -> Any:
    """The launches since the last reset; None on a real GPU."""
    if recorder is None:
        return None
    launched = [record for record in recorder.records() if isinstance(record, Launch)]
    return [[x.kernel, x.grid, x.block, x.dynamic_shared] for x in launched]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
