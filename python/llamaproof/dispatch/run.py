"""Examine a target: its own libraries, on a shadow GPU, cell by cell."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llamaproof import process, shadow
from llamaproof.dispatch import handover, rows
from llamaproof.dispatch.evidence import DispatchEvidence, GpuReport
from llamaproof.dispatch.grid import Cell
from llamaproof.dispatch.hollow import hollow_kernels
from llamaproof.dispatch.libraries import linux_libraries
from llamaproof.dispatch.message import last_words, shadow_runtime_gave_up
from llamaproof.dispatch.outcome import FALLS_BACK, Launch, Outcome, aborts, from_launches
from llamaproof.errors import CommandFailed, LlamaproofError
from llamaproof.target import Target, open_target

# Told after each step: the GPU, and how many cells it has done.
Progress = Callable[[str, int], None]

_N_CHILDREN = 2
# A worker prints after every 200 cells; loading and the slowest of those take seconds.
SILENCE_LIMIT_S = 300.0
WORKER_ENVIRONMENT = {
    # A graph that is repeated would be launched whole, without its kernels' names.
    "GGML_CUDA_DISABLE_GRAPHS": "1",
    # gdb, called from an aborting child, takes seconds and tells nothing here.
    "GGML_NO_BACKTRACE": "1",
}


def collect(
    target_spec: str,
    gpus: Sequence[shadow.Gpu],
    cells: Iterable[Cell],
    *,
    on_progress: Progress | None = None,
) -> DispatchEvidence:
    """What a target does to each cell on each GPU.

    Args:
        target_spec: as `open_target` takes it.
        gpus: cards to play, each once.
        cells: the grid, see `dispatch.grid`.

    Raises:
        BadInput: it is no target, or one that cannot be examined.
        LlamaproofError: it could not be examined: its libraries do not load, or the stand-in
            runtime lacks something they need.
    """
    distinct = tuple(sorted(set(cells)))
    with open_target(target_spec) as target:
        libraries = linux_libraries(target)
        needs = shadow.cuda_needs(libraries)
        reports: list[GpuReport] = []
        facts: dict[str, Any] = {}
        for gpu in gpus:
            report, facts = _examine(target, libraries, needs.code, gpu, distinct, on_progress)
            reports.append(report)
        return DispatchEvidence(
            target=target.name,
            kind=target.kind,
            version=target.version,
            sha256=target.sha256,
            ggml_version=facts["ggml_version"],
            kv_layout=facts["kv_layout"],
            cuda=needs.major,
            cells=distinct,
            reports=tuple(reports),
        )


def _examine(
    target: Target,
    libraries: Sequence[Path],
    code: Sequence[Path],
    gpu: shadow.Gpu,
    cells: Sequence[Cell],
    on_progress: Progress | None,
) -> tuple[GpuReport, dict[str, Any]]:
    started = time.monotonic()
    result = _run_worker(target, libraries, gpu, cells, on_progress)
    hollow = frozenset().union(*(hollow_kernels(library, gpu.sm) for library in code))
    outcomes = {
        cell: outcome_of(cell, answer, hollow)
        for cell, answer in zip(cells, result["answers"], strict=True)
    }
    report = GpuReport(
        gpu=gpu.name,
        sm=gpu.sm,
        device=result["device"],
        shadow=True,
        outcomes=outcomes,
        seconds=time.monotonic() - started,
    )
    return report, result


def outcome_of(cell: Cell, answer: Mapping[str, Any] | None, hollow: frozenset[str]) -> Outcome:
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
    libraries: Sequence[Path],
    gpu: shadow.Gpu,
    cells: Sequence[Cell],
    on_progress: Progress | None,
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        folder = Path(scratch)
        session = shadow.prepare(libraries, [gpu], folder=folder)
        job, answer = folder / "job.json", folder / "result.json"
        job.write_text(
            json.dumps(
                {
                    "lib_dir": str(target.lib_dir),
                    "session": handover.describe(session),
                    "n_children": _N_CHILDREN,
                    "cells": [rows.to_row(cell) for cell in cells],
                }
            ),
            encoding="utf-8",
        )

        def on_line(line: str) -> None:
            if on_progress is not None and line.isdigit():
                on_progress(gpu.name, int(line))

        completed = process.run(
            [sys.executable, "-m", "llamaproof.dispatch.worker", job, answer],
            env={**os.environ, **WORKER_ENVIRONMENT, **session.environment},
            on_line=on_line,
            silence_limit_s=SILENCE_LIMIT_S,
            check=False,
        )
        return read_result(answer, target, completed)


def read_result(path: Path, target: Target, completed: process.Completed) -> dict[str, Any]:
    """What a worker that has ended left behind.

    Raises:
        LlamaproofError: the worker says what went wrong.
        CommandFailed: it did not come to say it.
    """
    if completed.returncode != 0 or not path.is_file():
        how = process.describe_status(completed.returncode)
        raise CommandFailed(
            f"the target's libraries could not be examined: {last_words(completed.output, how)}",
            where=target.name,
            returncode=completed.returncode,
            output=completed.lines,
        )
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if "error" in result:
        error = result["error"]
        raise LlamaproofError(error["what"], where=target.name, hint=error["hint"])
    return result
