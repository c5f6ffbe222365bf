"""Examine a target: its own libraries, on a shadow GPU, cell by cell."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llamaproof import shadow
from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.binary.loaded_code import loaded_code
from llamaproof.errors import LlamaproofError
from llamaproof.kernels.hollow import hollow_kernels
from llamaproof.placement.outcome import FALLS_BACK, CellOutcome, Launch, aborts, from_launches
from llamaproof.placement.survey import GpuSurvey, Survey
from llamaproof.target import Target, open_target
from llamaproof.target.libraries import linux_libraries
from llamaproof.workers.last_words import last_words, shadow_runtime_gave_up
from llamaproof.workers.stage import staged
from llamaproof.workers.worker import Worker

# Told after each step: the GPU, and how many cells it has done.
Progress = Callable[[str, int], None]

_N_CHILDREN = 2
# A worker prints after every 200 cells; loading and the slowest of those take seconds.
SILENCE_LIMIT_S = 300.0
FAILED = "the target's libraries could not be examined"
WORKER = Worker(
    module="llamaproof.placement.shadow_worker", failed=FAILED, silence_limit_s=SILENCE_LIMIT_S
)


def collect(
    target_spec: str,
    gpus: Sequence[shadow.Gpu],
    cells: Iterable[Cell],
    *,
    on_progress: Progress | None = None,
) -> Survey:
    """What a target does to each cell on each GPU.

    Args:
        target_spec: as `open_target` takes it.
        gpus: cards to play, each once.
        cells: the grid, see `attention.grid`.

    Raises:
        BadInput: it is no target, or one that cannot be examined.
        LlamaproofError: it could not be examined: its libraries do not load, or the stand-in
            runtime lacks something they need.
    """
    distinct = tuple(sorted(set(cells)))
    with open_target(target_spec) as target:
        needs = shadow.cuda_needs(linux_libraries(target))
        reports: list[GpuSurvey] = []
        facts: dict[str, Any] = {}
        for gpu in gpus:
            report, facts = _examine(target, needs.code, gpu, distinct, on_progress)
            reports.append(report)
        return survey_of(target, distinct, reports, cuda=needs.major, facts=facts)


def survey_of(
    target: Target,
    cells: Sequence[Cell],
    reports: Sequence[GpuSurvey],
    *,
    cuda: int,
    facts: Mapping[str, Any],
) -> Survey:
    """The survey of a target.

    Args:
        cuda: CUDA's major version that the target is linked to.
        facts: what a worker found of the release: `ggml_version` and `kv_layout`.
    """
    return Survey(
        target=target.name,
        kind=target.kind,
        version=target.version,
        sha256=target.sha256,
        ggml_version=facts["ggml_version"],
        kv_layout=facts["kv_layout"],
        cuda=cuda,
        cells=tuple(cells),
        reports=tuple(reports),
    )


def _examine(
    target: Target,
    code: Sequence[Path],
    gpu: shadow.Gpu,
    cells: Sequence[Cell],
    on_progress: Progress | None,
) -> tuple[GpuSurvey, dict[str, Any]]:
    started = time.monotonic()
    result = _run_worker(target, gpu, cells, on_progress)
    hollow = frozenset().union(*(hollow_kernels(library, gpu.sm) for library in code))
    outcomes = {
        cell: outcome_of(cell, answer, hollow)
        for cell, answer in zip(cells, result["answers"], strict=True)
    }
    report = GpuSurvey(
        gpu=gpu.name,
        sm=gpu.sm,
        device=result["device"],
        shadow=True,
        code=tuple(map(str, loaded_code(code, gpu.sm))),
        outcomes=outcomes,
        seconds=time.monotonic() - started,
    )
    return report, result


def outcome_of(cell: Cell, answer: Mapping[str, Any] | None, hollow: frozenset[str]) -> CellOutcome:
    """A worker's answer as an outcome.

    Raises:
        LlamaproofError: the shadow runtime gave up, which says nothing about the target.
    """
    if answer is None:
        return FALLS_BACK
    died = answer.get("died")
    if died is None:
        launches = [
            Launch(name=name, grid=tuple(grid), block=tuple(block), shared_bytes=shared)
            for name, grid, block, shared in answer["launches"]
        ]
        return from_launches(cell, launches, hollow=hollow)
    gap = shadow_runtime_gave_up(died["output"])
    if gap:
        raise LlamaproofError(
            f"the shadow runtime could not go on: {gap}",
            where=cell,
            hint="this is a gap of llamaproof's, and says nothing about the target",
        )
    return aborts(last_words(died["output"], died["how"]))


def _run_worker(
    target: Target,
    gpu: shadow.Gpu,
    cells: Sequence[Cell],
    on_progress: Progress | None,
) -> dict[str, Any]:
    with staged(target, [gpu]) as stage:
        return WORKER.ask(
            {
                **stage.job,
                "n_children": _N_CHILDREN,
                "cells": [rows.to_row(cell) for cell in cells],
            },
            stage.folder,
            about=target.name,
            env=stage.env,
            on_done=None if on_progress is None else lambda done: on_progress(gpu.name, done),
        )
