"""Examine cells in a process that has one target's libraries loaded.

Run as `python -m llamaproof.placement.shadow_worker JOB RESULT`, in a process of its own: one can
hold one target and one set of shadow GPUs only.

JOB: {"lib_dir", "session": see `handover`, "n_children", "cells": rows}.
RESULT: {"device", "ggml_version", "kv_layout", "answers": one for each cell}, or {"error": ...}.
An answer is null (supports_op says no), {"launches": [[name, grid, block, shared], ...]}, or
{"died": {"how", "output"}}. Progress goes to standard output: the number of cells that are done.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof import ggml
from llamaproof.attention import rows
from llamaproof.placement.examine import LaunchRow, answers, examine_cell
from llamaproof.shadow import Launch, Shadow
from llamaproof.workers import handover
from llamaproof.workers.worker import serve


@dataclass(frozen=True)
class _ShadowLog:
    recorder: Shadow

    def reset(self) -> None:
        self.recorder.reset()

    def rows(self) -> list[LaunchRow]:
        return [
            (record.kernel, record.grid, record.block, record.dynamic_shared)
            for record in self.recorder.records()
            if isinstance(record, Launch)
        ]


def examine(job: dict[str, Any]) -> dict[str, Any]:
    """The result of a job.

    Raises:
        LlamaproofError: the libraries cannot be loaded, or show no CUDA device.
    """
    cells = [rows.from_row(row) for row in job["cells"]]
    log = _ShadowLog(handover.load(job["session"]))
    library = ggml.load(Path(job["lib_dir"]))
    device = library.needed_device("CUDA")
    # From here on the log is what a dying child leaves behind.
    library.log_to(to_standard_error)
    with device.backend_stream() as stream:
        return {
            "device": device.description,
            "ggml_version": library.version,
            "kv_layout": library.kv_layout,
            "answers": answers(
                cells,
                lambda cell: examine_cell(library, device, stream, log, cell),
                n_children=job["n_children"],
            ),
        }


def to_standard_error(_level: int, text: str) -> None:
    """A sink for ggml's log: what a dying child leaves behind."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], examine))
