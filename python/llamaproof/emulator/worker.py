"""Compute cells on an emulated GPU, on the CPU backend and in float64, in a process of their own.

Run as `python -m llamaproof.emulator.worker JOB RESULT`: one process can hold one target only.

JOB: {"lib_dir", "session": see `workers.handover`, "executor": path, "cells": rows, "inputs": the
name of a family}.
RESULT: {"device", "ggml_version", "kv_layout", "answers": one for each cell}, or {"error": ...}.
An answer is null (supports_op says no), {"died": {"how", "output"}}, or {"nmse", "worst_row",
"largest_error", "where": [token, head, column], "not_finite", "cpu_nmse": the CPU backend's own
error, "reports": what the emulator says of each launch}; errors are those against float64.
Progress goes to standard output: the number of cells that are done.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from llamaproof import ggml
from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.attention.compute import compute, is_supported
from llamaproof.attention.error import error_of, settled
from llamaproof.attention.families import Family, find_family
from llamaproof.attention.reference import exact
from llamaproof.executor.loaded import Executor
from llamaproof.ggml import Device, Ggml, Stream
from llamaproof.placement.examine import answers
from llamaproof.placement.shadow_worker import to_standard_error
from llamaproof.workers import handover
from llamaproof.workers.worker import serve

# The heaviest cells of the default set take seconds.
_HANG_LIMIT_S = 600.0


def examine(job: dict[str, Any]) -> dict[str, Any]:
    """The result of a job.

    Raises:
        LlamaproofError: the libraries cannot be loaded, or show no CUDA device.
    """
    cells = [rows.from_row(row) for row in job["cells"]]
    handover.load(job["session"])
    lib_dir = Path(job["lib_dir"])
    library = ggml.load(lib_dir)
    gpu, cpu = library.needed_device("CUDA"), library.needed_device("CPU")
    library.log_to(to_standard_error)
    executor = Executor(job["executor"])
    family = find_family(job["inputs"])
    with gpu.backend_stream() as stream:
        return {
            "device": gpu.description,
            "ggml_version": library.version,
            "kv_layout": library.kv_layout,
            "answers": answers(
                cells,
                lambda cell: _examine_cell(library, cpu, gpu, stream, executor, family, cell),
                n_children=1,  # the emulator has a thread for each core
                step=1,
                hang_limit_s=_HANG_LIMIT_S,
            ),
        }


def _examine_cell(
    library: Ggml,
    cpu: Device,
    gpu: Device,
    stream: Stream,
    executor: Executor,
    family: Family,
    cell: Cell,
) -> dict[str, Any] | None:
    if not is_supported(library, gpu, cell):
        return None
    inputs = family.make(library, cell)
    executor.take_reports()
    got = compute(library, gpu, stream, cell, inputs)
    reports = executor.take_reports()
    expected = exact(library, cell, inputs)
    with cpu.backend_stream(n_threads=len(os.sched_getaffinity(0))) as host:
        on_cpu = compute(library, cpu, host, cell, inputs)
    error = error_of(*settled(got, expected))
    return {
        "nmse": error.nmse,
        "worst_row": error.worst_row,
        "largest_error": error.largest,
        "where": list(error.where),
        "not_finite": error.not_finite,
        "cpu_nmse": error_of(*settled(on_cpu, expected)).nmse,
        "reports": reports,
    }


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], examine))
