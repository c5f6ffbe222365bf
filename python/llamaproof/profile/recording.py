"""What a real GPU computed, and what the profiler counted on it: a folder, made on its machine.

recording.json says what was run on what; outputs.npz holds each cell's result; counters.csv is the
profiler's raw page, every launch of every cell in order; report.ncu-rep is its whole report, for
NVIDIA's own viewer.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.attention.inputs import Floats
from llamaproof.errors import BadInput
from llamaproof.files import sha256_of, write_whole
from llamaproof.profile import ncu
from llamaproof.reports import document
from llamaproof.reports.document import Schema
from llamaproof.target import Target, open_target
from llamaproof.workers.worker import Worker

SCHEMA = Schema(name="llamaproof.profile", version=2)

WORKER = Worker(
    module="llamaproof.profile.worker",
    failed="the cells could not be computed",
    # A card without machine code of its own compiles PTX first, for minutes.
    silence_limit_s=600.0,
)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A folder, read.

    Attributes:
        device: what the driver calls the card.
        libraries: SHA-256 of each of the target's libraries, by file name.
        inputs: SHA-256 of each cell's data.
        outputs: each cell's result, float32 [n_tokens, n_heads, DV].
        repeatable: whether the run under the profiler gave the same bits as the one before.
        launches: of all cells, in order.
    """

    device: str
    ggml_version: str
    libraries: Mapping[str, str]
    cells: tuple[Cell, ...]
    inputs: tuple[str, ...]
    outputs: tuple[Floats, ...]
    repeatable: bool
    launches: tuple[ncu.Profiled, ...]


@dataclass(frozen=True, kw_only=True)
class ComputedCells:
    """What the worker came back with; its outputs as in `Recording`."""

    result: Mapping[str, Any]
    outputs: tuple[Floats, ...]

    @classmethod
    def of(cls, result: Mapping[str, Any], job: Mapping[str, Any]) -> ComputedCells:
        """What a worker answered to a job."""
        outputs = _read_outputs(Path(job["outputs"]), len(result["inputs"]))
        return cls(result=result, outputs=outputs)


def record(
    target_spec: str,
    cells: Iterable[Cell],
    folder: Path,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> Recording:
    """Compute cells on this machine's GPU, alone and then under the profiler, into a folder.

    Raises:
        BadInput: it is no target, or there is no profiler.
        LlamaproofError: its libraries do not load, there is no GPU, or it cannot be profiled.
    """
    ncu.find()
    asked = tuple(cells)
    with open_target(target_spec) as target, tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        job = {
            "lib_dir": str(target.lib_dir),
            "cells": [rows.to_row(cell) for cell in asked],
            "outputs": str(work / "outputs.npz"),
        }
        result = WORKER.ask(job, work, about=target.name, env=os.environ, on_done=on_progress)
        alone = ComputedCells.of(result, job)
        folder.mkdir(parents=True, exist_ok=True)
        report = folder / "report.ncu-rep"
        completed = ncu.profile(
            WORKER.command(job, work), env=WORKER.environment(os.environ), report=report
        )
        result = WORKER.answer_of(WORKER.ended(completed, work), about=target.name)
        watched = ComputedCells.of(result, job)
        repeatable = all(
            np.array_equal(a, b, equal_nan=True)
            for a, b in zip(alone.outputs, watched.outputs, strict=True)
        )
        named: dict[str, Any] = {f"cell{i}": x for i, x in enumerate(alone.outputs)}
        np.savez_compressed(folder / "outputs.npz", **named)
        write_whole(folder / "counters.csv", ncu.export(report) + "\n")
        made = SCHEMA.document(
            target=target.name,
            device=alone.result["device"],
            ggml_version=alone.result["ggml_version"],
            libraries=digests(target),
            columns=list(rows.COLUMNS),
            cells=job["cells"],
            inputs=alone.result["inputs"],
            repeatable=repeatable,
        )
        document.write(folder / "recording.json", made)
    return load(folder)


def load(folder: Path) -> Recording:
    """Read a folder that `record` made.

    Raises:
        BadInput: it is none, or a damaged one.
    """
    hint = "make one on the GPU's machine: llamaproof profile TARGET --record FOLDER"

    def parse(members: dict[str, Any]) -> Recording:
        return Recording(
            device=members["device"],
            ggml_version=members["ggml_version"],
            libraries=members["libraries"],
            cells=tuple(rows.from_row(row) for row in members["cells"]),
            inputs=tuple(members["inputs"]),
            outputs=_read_outputs(folder / "outputs.npz", len(members["cells"])),
            repeatable=members["repeatable"],
            launches=ncu.read(
                (folder / "counters.csv").read_text(encoding="utf-8"),
                where=folder / "counters.csv",
            ),
        )

    try:
        return document.read(folder / "recording.json", SCHEMA, parse, hint=hint)
    except (OSError, zipfile.BadZipFile) as error:
        raise BadInput(f"not a recording: {error}", where=folder, hint=hint) from error


def digests(target: Target) -> dict[str, str]:
    """SHA-256 of the target's libraries, by file name."""
    return {path.name: sha256_of(path) for path in target.libraries}


def _read_outputs(path: Path, number: int) -> tuple[Floats, ...]:
    with np.load(path) as archive:
        return tuple(archive[f"cell{i}"] for i in range(number))
