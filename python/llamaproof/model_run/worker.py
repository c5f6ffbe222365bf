"""Load a model through one llama_cpp package and decode with it, telling everything it logs.

Run as `python -m llamaproof.model_run.worker JOB RESULT`, with the shadow runtime in its
environment or on a real GPU. Only the package's ctypes module is imported: its `__init__` would ask
for dependencies (jinja2, diskcache) that have nothing to do with where attention runs.

JOB: {"package", "model", "flash_attn", "type_k", "type_v", "n_gpu_layers", "n_ctx", "n_ubatch",
"n_prefill", "n_decode", "n_seq_max", "kv_unified", "memory_contexts": [n_ctx, ...], "session": see
`handover`, or null}; n_prefill tokens are those of all sequences.
RESULT: one object a line, written as each phase begins and ends: {"begin": phase} and
{"end": phase, "log": text, "launches": ...}. What is missing at the end is where it died. Lines
of the log that are warnings or errors begin with WARNING_MARK or ERROR_MARK.
"""

from __future__ import annotations

import json
import os
import sys
import typing
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llamaproof.model_run import bindings
from llamaproof.model_run.bindings import Refused
from llamaproof.model_run.log import ERROR_MARK, WARNING_MARK
from llamaproof.shadow import Launch, Shadow
from llamaproof.workers import handover

# llama.cpp keeps token ids below this for control tokens in every usual vocabulary; which tokens
# are decoded does not change where they are.
_FIRST_TOKEN = 3

# GGML_LOG_LEVEL_WARN and GGML_LOG_LEVEL_ERROR of ggml.h
_MARKS = {3: WARNING_MARK, 4: ERROR_MARK}


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
        except Refused as failure:
            error = str(failure)
            raise
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
            raise Refused(error) from failure
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
        except Refused:
            return 3
    return 0


def _examine(spec: dict[str, Any], journal: Journal) -> None:
    with journal.phase("import") as results:
        # Before any library of the package: what is loaded first is what it finds.
        recorder = handover.load(spec["session"]) if spec["session"] else None
        llama = bindings.import_bindings(Path(spec["package"]))
        callback = llama.llama_log_callback(journal.on_log)
        llama.llama_log_set(callback, None)
        llama.llama_backend_init()
        results["devices"] = bindings.devices_of(Path(llama._lib._name).parent)
    with journal.phase("load"):
        model = bindings.load_model(llama, spec["model"], n_gpu_layers=spec["n_gpu_layers"])
    _decode(llama, model, spec, journal, recorder)
    _measure_memory(llama, model, spec, journal)
    llama.llama_model_free(model)


def _measure_memory(llama: Any, model: Any, spec: dict[str, Any], journal: Journal) -> None:
    for n_ctx in spec["memory_contexts"]:
        try:
            with journal.phase("memory", n_ctx=n_ctx):
                llama.llama_free(_context(llama, model, spec, n_ctx))
        except Refused:
            return  # what is longer still does not fit either


def _context(llama: Any, model: Any, spec: dict[str, Any], n_ctx: int) -> Any:
    return bindings.make_context(
        llama,
        model,
        n_ctx=n_ctx,
        n_ubatch=spec["n_ubatch"],
        cache_types=(spec["type_k"], spec["type_v"]),
        flash_attn=spec["flash_attn"],
        n_seq_max=spec["n_seq_max"],
        kv_unified=spec["kv_unified"],
    )


def _decode(
    llama: Any, model: Any, spec: dict[str, Any], journal: Journal, recorder: Shadow | None
) -> None:
    os.environ["GGML_SCHED_DEBUG"] = "2"  # read when a context makes its scheduler
    with journal.phase("context", n_ctx=spec["n_ctx"]):
        context = _context(llama, model, spec, spec["n_ctx"])
    del os.environ["GGML_SCHED_DEBUG"]
    sequences, each = spec["n_seq_max"], spec["n_prefill"] // spec["n_seq_max"]
    _step(llama, context, journal, recorder, "prefill", 0, (each, sequences))
    for index in range(spec["n_decode"]):
        _step(llama, context, journal, recorder, "decode", each + index, (1, sequences))
    llama.llama_free(context)


def _step(
    llama: Any,
    context: Any,
    journal: Journal,
    recorder: Shadow | None,
    phase: str,
    position: int,
    shape: tuple[int, int],
) -> None:
    """Decode so many tokens of each of so many sequences."""
    n_tokens = shape[0] * shape[1]
    if recorder is not None:
        recorder.reset()  # what came before is not this step's
    with journal.phase(phase, n_tokens=n_tokens, position=position) as results:
        try:
            tokens = [_FIRST_TOKEN] * n_tokens
            bindings.decode(llama, context, tokens, position, n_sequences=shape[1])
        finally:
            results["launches"] = _launches(recorder)


def _launches(recorder: Shadow | None) -> Any:
    """The launches since the last reset; None on a real GPU."""
    if recorder is None:
        return None
    launched = [record for record in recorder.records() if isinstance(record, Launch)]
    return [[x.kernel, x.grid, x.block, x.dynamic_shared] for x in launched]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
