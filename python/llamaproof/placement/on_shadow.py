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
from llamaproof.spread.carrier import (
    HERE,
    Answer,
    Batch,
    Carrier,
    Examined,
    Lost,
    Told,
    batches_of,
    examine_all,
    joined,
)
from llamaproof.target import Target, open_target
from llamaproof.target.libraries import linux_libraries
from llamaproof.workers.last_words import last_words, shadow_runtime_gave_up
from llamaproof.workers.stage import staged
from llamaproof.workers.worker import Worker

_N_CHILDREN = 2
# A second or two of starting a worker are then little beside the seconds that its cells take.
_BATCH = 500
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
    on_progress: Told | None = None,
    carrier: Carrier = HERE,
) -> Survey:
    """What a target does to each cell on each GPU.

    Args:
        target_spec: as `open_target` takes it.
        gpus: cards to play, each once.
        cells: the grid, see `attention.grid`.
        on_progress: told of cells on all GPUs.
        carrier: has the cells examined, here or elsewhere.

    Raises:
        BadInput: it is no target, or one that cannot be examined.
        LlamaproofError: it could not be examined: its libraries do not load, the stand-in
            runtime lacks something they need, or what was to examine a cell was lost.
    """
    distinct = tuple(sorted(set(cells)))
    with open_target(target_spec) as target:
        needs = shadow.cuda_needs(linux_libraries(target))
        started = time.monotonic()
        by_gpu = _examined(carrier, target, gpus, distinct, on_progress)
        seconds = time.monotonic() - started
        reports = [
            _report(needs.code, gpu, distinct, examined, seconds / len(gpus))
            for gpu, examined in by_gpu.items()
        ]
        facts = next(iter(by_gpu.values())).facts
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


def _examined(
    carrier: Carrier,
    target: Target,
    gpus: Sequence[shadow.Gpu],
    cells: Sequence[Cell],
    on_progress: Told | None,
) -> dict[shadow.Gpu, Examined]:
    """By GPU; all of them are asked at once, so that none waits for another's last batch."""
    batches = {gpu: batches_of(carrier, gpu, cells, size=_BATCH, label=gpu.name) for gpu in gpus}
    every = [batch for own in batches.values() for batch in own]
    answers = iter(examine_all(carrier, target, _run_worker, every, on_progress))
    return {
        gpu: joined(own, [_brought(batch, next(answers)) for batch in own], about=target.name)
        for gpu, own in batches.items()
    }


def _brought(batch: Batch[shadow.Gpu, Cell], answer: Answer | Lost) -> Answer:
    """A batch's answer; a survey has none without.

    Raises:
        LlamaproofError: it was lost.
    """
    if isinstance(answer, Lost):
        raise LlamaproofError(
            f"{len(batch.items)} cells on {batch.label}, from {batch.items[0]} to "
            f"{batch.items[-1]}, could not be checked: {answer.how}"
        )
    return answer


def _report(
    code: Sequence[Path],
    gpu: shadow.Gpu,
    cells: Sequence[Cell],
    examined: Examined,
    seconds: float,
) -> GpuSurvey:
    hollow = frozenset().union(*(hollow_kernels(library, gpu.sm) for library in code))
    outcomes = {
        cell: outcome_of(cell, answer, hollow)
        for cell, answer in zip(cells, examined.answers, strict=True)
    }
    return GpuSurvey(
        gpu=gpu.name,
        sm=gpu.sm,
        device=examined.facts["device"],
        shadow=True,
        code=tuple(map(str, loaded_code(code, gpu.sm))),
        outcomes=outcomes,
        seconds=seconds,
    )


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
    on_done: Callable[[int], None],
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
            on_done=on_done,
        )
