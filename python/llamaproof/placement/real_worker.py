"""Examine cells on the machine's real GPU, in a process that the tracer was preloaded into.

Run as `python -m llamaproof.placement.real_worker JOB RESULT`.

A child that is forked after CUDA was initialised cannot use it. So this process loads the libraries
and asks CUDA for nothing; each child initialises CUDA for itself, at its first cell.

JOB: {"lib_dir", "n_children", "cells": rows}.
RESULT: as `worker` has it, and "sm", "on_stand_in": whether no real runtime was found but the
shadow's. Progress goes to standard output: the number of cells that are done.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof import ggml
from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.errors import LlamaproofError
from llamaproof.ggml import Device, Ggml, Stream
from llamaproof.placement import examine as cells_
from llamaproof.placement import tracer
from llamaproof.placement.examine import LaunchRow
from llamaproof.placement.shadow_worker import to_standard_error
from llamaproof.placement.tracer import Tracer
from llamaproof.workers.forking import Died, run_forked
from llamaproof.workers.last_words import last_words
from llamaproof.workers.worker import describe_error, serve


@dataclass(frozen=True)
class _TracerLog:
    tracer: Tracer

    def reset(self) -> None:
        self.tracer.reset()

    def rows(self) -> list[LaunchRow]:
        return [(x.kernel, x.grid, x.block, x.dynamic_shared) for x in self.tracer.launches()]


def examine(job: dict[str, Any]) -> dict[str, Any]:
    """The result of a job.

    Raises:
        LlamaproofError: the tracer is not preloaded, the libraries cannot be loaded, or there is
            no CUDA device.
    """
    log = _TracerLog(tracer.attach())
    lib_dir = Path(job["lib_dir"])
    ggml.open_libraries(lib_dir)
    cells = [rows.from_row(row) for row in job["cells"]]
    facts = _in_a_child(lambda: _facts(lib_dir, log.tracer))
    if "error" in facts:
        return facts

    # A child opens the device, and ends without coming back here; so it stays open to its end.
    with contextlib.ExitStack() as stack:

        @functools.cache
        def opened() -> tuple[Ggml, Device, Stream]:
            library, device = _open_device(lib_dir)
            return library, device, stack.enter_context(device.backend_stream())

        def examine_cell(cell: Cell) -> Any:
            return cells_.examine_cell(*opened(), log, cell)

        answers = cells_.answers(cells, examine_cell, n_children=job["n_children"])
    return {**facts, "answers": answers}


def _facts(lib_dir: Path, traced: Tracer) -> dict[str, Any]:
    """What is the same for every cell; initialises CUDA."""
    try:
        library = ggml.load(lib_dir)
        device = library.needed_device("CUDA")
        return {
            "device": device.description,
            "sm": traced.sm(),
            "on_stand_in": traced.on_stand_in,
            "ggml_version": library.version,
            "kv_layout": library.kv_layout,
        }
    except LlamaproofError as error:
        return describe_error(error)


def _open_device(lib_dir: Path) -> tuple[Ggml, Device]:
    library = ggml.load(lib_dir)
    device = library.needed_device("CUDA")
    library.log_to(to_standard_error)
    return library, device


def _in_a_child(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    found: list[Any] = []
    run_forked(
        [None],
        lambda _nothing: call(),
        n_children=1,
        on_answer=lambda _index, answer: found.append(answer),
    )
    (answer,) = found
    if isinstance(answer, Died):
        raise LlamaproofError(
            f"the GPU could not be asked what it is: {last_words(answer.output, answer.how)}"
        )
    facts: dict[str, Any] = answer
    return facts


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], examine))
