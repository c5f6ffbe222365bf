"""Execute a target's own kernels, cell by cell, and hold the results against float64."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from llamaproof import shadow
from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.attention.families import RANDOM, Family
from llamaproof.emulator.results import CellResult, EmulationEvidence, result_of
from llamaproof.errors import LlamaproofError
from llamaproof.executor.library import default_library
from llamaproof.target import Target, open_target
from llamaproof.workers.last_words import last_words, shadow_runtime_gave_up
from llamaproof.workers.stage import staged
from llamaproof.workers.worker import Worker

WORKER = Worker(
    module="llamaproof.emulator.worker",
    failed="the target's kernels could not be executed",
    silence_limit_s=900.0,
)
# What the shadow runtime prints when the emulator could not carry a launch out.
_REFUSED = "llamaproof: "


def emulate(
    target_spec: str,
    gpu: shadow.Gpu,
    cells: Iterable[Cell],
    *,
    family: Family = RANDOM,
    on_progress: Callable[[int], None] | None = None,
) -> EmulationEvidence:
    """Compute each cell on the emulated GPU, and compare it with its exact result.

    Raises:
        BadInput: it is no target, or one whose kernels cannot be executed.
        LlamaproofError: the emulator lacks something that the target's kernels need.
    """
    distinct = tuple(sorted(set(cells)))
    started = time.monotonic()
    with open_target(target_spec) as target:
        answer = _run_worker(target, gpu, distinct, family, on_progress)
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
            inputs=family.name,
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
    family: Family,
    on_progress: Callable[[int], None] | None,
) -> dict[str, Any]:
    with staged(target, [gpu], executor=default_library()) as stage:
        return WORKER.ask(
            {
                **stage.job,
                "cells": [rows.to_row(cell) for cell in cells],
                "inputs": family.name,
            },
            stage.folder,
            about=target.name,
            env=stage.env,
            on_done=on_progress,
        )
