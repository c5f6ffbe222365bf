"""Compute cells on the CPU backend and on an emulated GPU, in a process of their own.

Run as `python -m llamaproof.emulator.worker JOB RESULT`: one process can hold one target only.

JOB: {"lib_dir", "session": see `dispatch.handover`, "executor": path, "cells": rows}.
RESULT: {"device", "ggml_version", "kv_layout", "answers": one for each cell}, or {"error": ...}.
An answer is null (supports_op says no), {"died": {"how", "output"}}, or {"nmse", "largest_error",
"where": [token, head, column], "not_finite", "reports": what the emulator says of each launch}.
Progress goes to standard output: the number of cells that are done.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llamaproof import ggml
from llamaproof.dispatch import handover, rows
from llamaproof.dispatch.forking import Died, run_forked
from llamaproof.dispatch.grid import Cell
from llamaproof.emulator.compute import Floats, compute, is_supported
from llamaproof.emulator.inputs import random_inputs
from llamaproof.errors import BadInput, LlamaproofError
from llamaproof.ggml import Device, Ggml, Stream

# The heaviest cells of the default set take seconds.
_HANG_LIMIT_S = 600.0


def main(arguments: Sequence[str]) -> int:
    """Compute the cells of a job; the result says what went wrong, if anything did."""
    job = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    try:
        result = examine(job)
    except LlamaproofError as error:
        result = {"error": {"what": error.what, "where": error.where, "hint": error.hint}}
    Path(arguments[1]).write_text(json.dumps(result), encoding="utf-8")
    return 0


def examine(job: dict[str, Any]) -> dict[str, Any]:
    """The result of a job.

    Raises:
        LlamaproofError: the libraries cannot be loaded, or show no CUDA device.
    """
    cells = [rows.from_row(row) for row in job["cells"]]
    handover.load(job["session"])
    library = ggml.load(Path(job["lib_dir"]))
    log: list[str] = []
    library.log_to(lambda _level, text: log.append(text))
    gpu, cpu = library.device("CUDA"), library.device("CPU")
    if gpu is None or cpu is None:
        missing = "CUDA" if gpu is None else "CPU"
        raise BadInput(
            f"the {missing} backend shows no device" + (f": {''.join(log).strip()}" if log else ""),
            where=job["lib_dir"],
        )
    library.log_to(_to_standard_error)
    executor = ctypes.CDLL(job["executor"])
    executor.llamaproof_executor_take_reports.restype = ctypes.c_char_p
    answers: list[Any] = [None] * len(cells)
    done = 0

    def keep(index: int, answer: Any | Died) -> None:
        nonlocal done
        if isinstance(answer, Died):
            answer = {"died": {"how": answer.how, "output": answer.output}}
        answers[index] = answer
        done += 1
        print(done, flush=True)

    with gpu.backend_stream() as stream:
        run_forked(
            cells,
            lambda cell: _examine_cell(library, cpu, gpu, stream, executor, cell),
            n_children=1,  # the emulator has a thread for each core
            on_answer=keep,
            hang_limit_s=_HANG_LIMIT_S,
        )
        return {
            "device": gpu.description,
            "ggml_version": library.version,
            "kv_layout": library.kv_layout,
            "answers": answers,
        }


def _examine_cell(
    library: Ggml,
    cpu: Device,
    gpu: Device,
    stream: Stream,
    executor: ctypes.CDLL,
    cell: Cell,
) -> dict[str, Any] | None:
    if not is_supported(library, gpu, cell):
        return None
    inputs = random_inputs(library, cell)
    with cpu.backend_stream() as host:
        expected = compute(library, cpu, host, cell, inputs)
    executor.llamaproof_executor_take_reports()
    got = compute(library, gpu, stream, cell, inputs)
    reports = executor.llamaproof_executor_take_reports().decode().splitlines()
    return {**compare(got, expected), "reports": [json.loads(line) for line in reports]}


def compare(got: Floats, expected: Floats) -> dict[str, Any]:
    """NMSE, largest error and where; what is not finite counts as infinitely wrong."""
    finite = np.isfinite(got)
    difference = np.where(finite, got.astype(np.float64) - expected, np.inf)
    worst = int(np.argmax(np.abs(difference)))
    scale = float(np.mean(expected.astype(np.float64) ** 2))
    error = float(np.mean(difference**2))
    return {
        "nmse": error / scale if scale > 0 else (0.0 if error == 0 else float("inf")),
        "largest_error": float(np.abs(difference).flat[worst]),
        "where": [int(i) for i in np.unravel_index(worst, got.shape)],
        "not_finite": int(np.count_nonzero(~finite)),
    }


def _to_standard_error(_level: int, text: str) -> None:
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
