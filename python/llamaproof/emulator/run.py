"""Execute a target's own kernels, cell by cell, against its own CPU backend."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from llamaproof import process, shadow
from llamaproof.dispatch import handover, rows
from llamaproof.dispatch.grid import Cell
from llamaproof.dispatch.libraries import linux_libraries
from llamaproof.dispatch.message import last_words, shadow_runtime_gave_up
from llamaproof.emulator.evidence import CellResult, EmulationEvidence, result_of
from llamaproof.emulator.library import default_library
from llamaproof.errors import CommandFailed, LlamaproofError
from llamaproof.target import Target, open_target

_SILENCE_LIMIT_S = 900.0
_ENVIRONMENT = {
    # A graph that is repeated would be launched whole, without its kernels' names.
    "GGML_CUDA_DISABLE_GRAPHS": "1",
    "GGML_NO_BACKTRACE": "1",
}
# What the shadow runtime prints when the emulator could not carry a launch out.
_REFUSED = "llamaproof: "


def emulate(
    target_spec: str,
    gpu: shadow.Gpu,
    cells: Iterable[Cell],
    *,
    on_progress: Callable[[int], None] | None = None,
) -> EmulationEvidence:
    """Compute each cell on the CPU and on the emulated GPU.

    Raises:
        BadInput: it is no target, or one whose kernels cannot be executed.
        LlamaproofError: the emulator lacks something that the target's kernels need.
    """
    distinct = tuple(sorted(set(cells)))
    started = time.monotonic()
    with open_target(target_spec) as target:
        answer = _run_worker(target, gpu, distinct, on_progress)
        results = {
            cell: _result(cell, raw) for cell, raw in zip(distinct, answer["answers"], strict=True)
        }
        return EmulationEvidence(
            target=target.name,
            sha256=target.sha256,
            gpu=gpu.name,
            sm=gpu.sm,
            ggml_version=answer["ggml_version"],
            kv_layout=answer["kv_layout"],
            seconds=time.monotonic() - started,
            results=results,
        )


def _result(cell: Cell, answer: Mapping[str, Any] | None) -> CellResult:
    if answer is None or "died" not in answer:
        return result_of(answer)
    output, how = answer["died"]["output"], answer["died"]["how"]
    gap = shadow_runtime_gave_up(output) or _refusal(output)
    if gap:
        raise LlamaproofError(
            f"the emulated GPU could not go on: {gap}",
            where=cell,
            hint="this is a gap of llamaproof's, and says nothing about the target",
        )
    return result_of(answer, last_words(output, how))


def _refusal(output: str) -> str:
    lines = (line.strip() for line in output.splitlines())
    return next((line.removeprefix(_REFUSED) for line in lines if line.startswith(_REFUSED)), "")


def _run_worker(
    target: Target,
    gpu: shadow.Gpu,
    cells: tuple[Cell, ...],
    on_progress: Callable[[int], None] | None,
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        folder = Path(scratch)
        executor = default_library()
        session = shadow.prepare(
            linux_libraries(target), [gpu], folder=folder, mode="execute", executor=executor
        )
        job, answer = folder / "job.json", folder / "result.json"
        document = {
            "lib_dir": str(target.lib_dir),
            "session": handover.describe(session),
            "executor": str(executor),
            "cells": [rows.to_row(cell) for cell in cells],
        }
        job.write_text(json.dumps(document), encoding="utf-8")

        def on_line(line: str) -> None:
            if on_progress is not None and line.isdigit():
                on_progress(int(line))

        completed = process.run(
            [sys.executable, "-m", "llamaproof.emulator.worker", job, answer],
            env={**os.environ, **_ENVIRONMENT, **session.environment},
            on_line=on_line,
            silence_limit_s=_SILENCE_LIMIT_S,
            check=False,
        )
        if completed.returncode != 0 or not answer.is_file():
            how = process.describe_status(completed.returncode)
            raise CommandFailed(
                f"the target's kernels could not be executed: {last_words(completed.output, how)}",
                where=target.name,
                returncode=completed.returncode,
                output=completed.lines,
            )
        result: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in result:
        error = result["error"]
        raise LlamaproofError(error["what"], where=target.name, hint=error["hint"])
    return result
