"""Examine cells in a process that has one target's libraries loaded.

Run as `python -m llamaproof.dispatch.worker JOB RESULT`, in a process of its own: one can hold one
target and one set of shadow GPUs only.

JOB: {"lib_dir", "session": see `handover`, "n_children", "cells": rows}.
RESULT: {"device", "ggml_version", "kv_layout", "answers": one for each cell}, or {"error": ...}.
An answer is null (supports_op says no), {"launches": [[name, grid, block, shared], ...]}, or
{"died": {"how", "output"}}. Progress goes to standard output: the number of cells that are done.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llamaproof import ggml
from llamaproof.dispatch import handover, node, rows
from llamaproof.dispatch.forking import Died, run_forked
from llamaproof.dispatch.grid import Cell
from llamaproof.errors import BadInput, LlamaproofError
from llamaproof.ggml import Device, Ggml, Stream
from llamaproof.shadow import Launch, Shadow

PROGRESS_STEP = 200

# Tensor and node descriptions in the graph of one cell, with room to spare.
_N_TENSORS = 32


def main(arguments: Sequence[str]) -> int:
    """Examine the cells of a job; the result says what went wrong, if anything did."""
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
    recorder = handover.load(job["session"])
    library = ggml.load(Path(job["lib_dir"]))
    log: list[str] = []
    library.log_to(lambda _level, text: log.append(text))
    device = library.device("CUDA")
    if device is None:
        raise BadInput(
            "the CUDA backend shows no device" + (f": {''.join(log).strip()}" if log else ""),
            where=job["lib_dir"],
        )
    # From here on the log is what a dying child leaves behind.
    library.log_to(_to_standard_error)
    with device.backend_stream() as stream:
        return {
            "device": device.description,
            "ggml_version": library.version,
            "kv_layout": library.kv_layout,
            "answers": _answers(library, device, stream, recorder, cells, job["n_children"]),
        }


def _answers(
    library: Ggml,
    device: Device,
    stream: Stream,
    recorder: Shadow,
    cells: Sequence[Cell],
    n_children: int,
) -> list[Any]:
    answers: list[Any] = [None] * len(cells)
    done = 0

    def keep(index: int, answer: Any | Died) -> None:
        nonlocal done
        if isinstance(answer, Died):
            answer = {"died": {"how": answer.how, "output": answer.output}}
        answers[index] = answer
        done += 1
        if done % PROGRESS_STEP == 0 or done == len(cells):
            print(done, flush=True)

    run_forked(
        cells,
        lambda cell: _examine_cell(library, device, stream, recorder, cell),
        n_children=n_children,
        on_answer=keep,
    )
    return answers


def _examine_cell(
    library: Ggml, device: Device, stream: Stream, recorder: Shadow, cell: Cell
) -> dict[str, Any] | None:
    with library.context(n_tensors=_N_TENSORS, graph_size=_N_TENSORS) as context:
        attention = node.build(context, cell).node
        if not device.supports_op(attention):
            return None
        graph = context.graph(attention)
        with context.allocated(device):
            recorder.reset()
            stream.compute(graph)
            return {"launches": [_launch(r) for r in recorder.records() if isinstance(r, Launch)]}


def _launch(record: Launch) -> list[Any]:
    return [record.kernel, record.grid, record.block, record.dynamic_shared]


def _to_standard_error(_level: int, text: str) -> None:
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
