"""Compute cells on the first CUDA device, real or emulated, in a process of their own.

Run as `python -m llamaproof.profile.worker JOB RESULT`: a profiler can watch it,
since it launches a cell's kernels and no others, cell by cell in the order given.

JOB: {"lib_dir", "cells": rows, "outputs": a file to write}, and for an emulated GPU {"session": see
`workers.handover`, "executor": path}.
RESULT: {"device", "ggml_version", "kv_layout", "inputs": SHA-256 of each cell's, "reports": for
each cell what the emulator says of each launch, empty on a real GPU}, or {"error": ...}.
The file of outputs is a .npz with each cell's result, float32 [n_tokens, n_heads, DV], as `cell0`,
`cell1`, ...
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from llamaproof import ggml
from llamaproof.attention import rows
from llamaproof.attention.compute import compute, is_supported
from llamaproof.attention.inputs import Inputs, random_inputs
from llamaproof.errors import BadInput
from llamaproof.executor.loaded import Executor
from llamaproof.workers.worker import serve

Reports = list[dict[str, Any]]


def examine(job: dict[str, Any]) -> dict[str, Any]:
    """The result of a job; its outputs are written.

    Raises:
        LlamaproofError: the libraries cannot be loaded, show no CUDA device, or refuse a cell.
    """
    cells = [rows.from_row(row) for row in job["cells"]]
    take_reports = _emulated(job) if "session" in job else _nothing
    library = ggml.load(Path(job["lib_dir"]))
    device = library.needed_device("CUDA")
    inputs_of: list[str] = []
    reports: list[Reports] = []
    outputs = []
    with device.backend_stream() as stream:
        for done, cell in enumerate(cells, start=1):
            if not is_supported(library, device, cell):
                raise BadInput(f"the CUDA backend refuses {cell}", where=job["lib_dir"])
            inputs = random_inputs(library, cell)
            inputs_of.append(digest(inputs))
            take_reports()
            outputs.append(compute(library, device, stream, cell, inputs))
            reports.append(take_reports())
            print(done, flush=True)
    named: dict[str, Any] = {f"cell{i}": output for i, output in enumerate(outputs)}
    np.savez(job["outputs"], **named)
    return {
        "device": device.description,
        "ggml_version": library.version,
        "kv_layout": library.kv_layout,
        "inputs": inputs_of,
        "reports": reports,
    }


def digest(inputs: Inputs) -> str:
    """SHA-256 of a cell's data: numbers compared on two machines must come from the same bits."""
    found = hashlib.sha256()
    for part in (inputs.q, inputs.cache.k, inputs.cache.v, inputs.mask, inputs.sinks):
        data = b"" if part is None else part.tobytes()
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)
    return found.hexdigest()


def _emulated(job: dict[str, Any]) -> Callable[[], Reports]:
    # Imported where it is needed: a real GPU does without what the stand-ins bring along.
    from llamaproof.workers import handover

    handover.load(job["session"])
    return Executor(job["executor"]).take_reports


def _nothing() -> Reports:
    return []


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], examine))
