"""Examine a target on the machine's real GPU, cell by cell."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from llamaproof import shadow
from llamaproof.attention import rows
from llamaproof.attention.cell import Cell
from llamaproof.binary.loaded_code import loaded_code
from llamaproof.errors import BadInput
from llamaproof.placement import tracer
from llamaproof.placement.on_shadow import FAILED, SILENCE_LIMIT_S, outcome_of, survey_of
from llamaproof.placement.survey import GpuSurvey, Survey
from llamaproof.spread.carrier import Told
from llamaproof.target import Target, open_target
from llamaproof.target.libraries import linux_libraries
from llamaproof.workers.worker import Worker

REAL_GPU = "the GPU of this machine"

# Their kernels share the GPU; what is gained is that one child starts while another computes.
_N_CHILDREN = 4
_WORKER = Worker(
    module="llamaproof.placement.real_worker", failed=FAILED, silence_limit_s=SILENCE_LIMIT_S
)


def collect_real(
    target_spec: str, cells: Iterable[Cell], *, on_progress: Told | None = None
) -> Survey:
    """What a target does to each cell on CUDA's first device.

    The one report carries the card's name in the table of cards, or else what the driver calls it.

    Raises:
        BadInput: it is no target, or one that cannot be examined.
        LlamaproofError: it could not be examined: its libraries do not load, or there is no GPU.
    """
    distinct = tuple(sorted(set(cells)))
    started = time.monotonic()
    with open_target(target_spec) as target:
        needs = shadow.cuda_needs(linux_libraries(target))
        facts = _run_worker(target, distinct, on_progress)
        report = GpuSurvey(
            gpu=_card_name(facts["device"]),
            sm=facts["sm"],
            device=facts["device"],
            shadow=facts["on_stand_in"],
            code=tuple(map(str, loaded_code(needs.code, facts["sm"]))),
            outcomes={
                cell: outcome_of(cell, answer, frozenset())
                for cell, answer in zip(distinct, facts["answers"], strict=True)
            },
            seconds=time.monotonic() - started,
        )
        return survey_of(target, distinct, [report], cuda=needs.major, facts=facts)


def _card_name(device: str) -> str:
    try:
        return shadow.find_gpu(device).name
    except BadInput:
        return device


def _run_worker(target: Target, cells: Sequence[Cell], on_progress: Told | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        return _WORKER.ask(
            {
                "lib_dir": str(target.lib_dir),
                "n_children": _N_CHILDREN,
                "cells": [rows.to_row(cell) for cell in cells],
            },
            Path(scratch),
            about=target.name,
            env=tracer.environment(),
            on_done=None
            if on_progress is None
            else lambda done: on_progress(done, f"on {REAL_GPU}"),
        )
