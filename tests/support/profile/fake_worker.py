"""Stands in for `llamaproof.profile.worker`: the same files, no GPU.

FAKE_WORKER=unsteady gives other numbers in each run; FAKE_WORKER=refused, the error of a worker
that found no GPU.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from llamaproof.errors import LlamaproofError
from llamaproof.workers.worker import serve


def examine(job: dict[str, Any]) -> dict[str, Any]:
    mode = os.environ.get("FAKE_WORKER", "")
    if mode == "refused":
        raise LlamaproofError("no CUDA device")
    cells = job["cells"]
    value = os.getpid() if mode == "unsteady" else 1
    named: dict[str, Any] = {f"cell{i}": np.full(3, value) for i in range(len(cells))}
    np.savez(job["outputs"], **named)
    for done in range(len(cells)):
        print(done + 1)
    return {
        "device": "Fake GPU",
        "ggml_version": "0",
        "kv_layout": "v_separate",
        "inputs": ["11"] * len(cells),
    }


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], examine))
