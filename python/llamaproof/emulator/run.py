"""Execute a target's own kernels, cell by cell, and hold the results against float64."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from llamaproof import shadow
from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.attention.families import RANDOM, Family
from llamaproof.emulator.results import CellResult, CellVerdict, EmulationEvidence, result_of
from llamaproof.errors import LlamaproofError
from llamaproof.executor.library import default_library
from llamaproof.spread.carrier import HERE, Carrier, Lost, Told, batches_of, examine_all, joined
from llamaproof.target import Target, open_target
from llamaproof.workers.last_words import last_words, shadow_runtime_gave_up
from llamaproof.workers.stage import staged
from llamaproof.workers.worker import Worker

WORKER = Worker(
    module="llamaproof.emulator.worker",
    failed="the target's kernels could not be executed",
    silence_limit_s=900.0,
)
# A second or two of starting a worker are then little beside the seconds that its cells take.
_BATCH = 32
# What the shadow runtime prints when the emulator could not carry a launch out.
_REFUSED = "llamaproof: "


def emulate(
    target_spec: str,
    gpu: shadow.Gpu,
    cells: Iterable[Cell],
    *,
    family: Family = RANDOM,
    on_progress: Told | None = None,
    carrier: Carrier = HERE,
) -> EmulationEvidence:
    """Compute each cell on the emulated GPU, and compare it with its exact result.

    Args:
        carrier: has the cells computed, here or elsewhere.

    Raises:
        BadInput: it is no target, or one whose kernels cannot be executed.
        LlamaproofError: the emulator lacks something that the target's kernels need.
    """
    distinct = tuple(sorted(set(cells)))
    started = time.monotonic()
    with open_target(target_spec) as target:
        batches = batches_of(carrier, gpu, distinct, size=_BATCH)
        execute = partial(_run_worker, family=family.name)
        answers = examine_all(carrier, target, execute, batches, on_progress)
        found = joined(batches, answers, about=target.name)
        results = {
            cell: _result(cell, raw) for cell, raw in zip(distinct, found.answers, strict=True)
        }
        return EmulationEvidence(
            target=target.name,
            sha256=target.sha256,
            gpu=gpu.name,
            sm=gpu.sm,
            ggml_version=found.facts["ggml_version"],
            kv_layout=found.facts["kv_layout"],
            inputs=family.name,
            seconds=time.monotonic() - started,
            results=results,
        )


def _result(cell: Cell, answer: Mapping[str, Any] | Lost | None) -> CellResult:
    if isinstance(answer, Lost):
        return CellResult(verdict=CellVerdict.NOT_CHECKED, message=answer.how)
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
    cells: Sequence[Cell],
    on_done: Callable[[int], None],
    *,
    family: str,
) -> dict[str, Any]:
    with staged(target, [gpu], executor=default_library()) as stage:
        return WORKER.ask(
            {
                **stage.job,
                "cells": [rows.to_row(cell) for cell in cells],
                "inputs": family,
            },
            stage.folder,
            about=target.name,
            env=stage.env,
            on_done=on_done,
        )
