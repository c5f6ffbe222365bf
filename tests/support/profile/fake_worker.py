"""Stands in for `llamaproof.profile.worker`: the same files, no GPU.

FAKE_WORKER=unsteady gives other numbers in each run; FAKE_WORKER=refused, the error of a worker
that found no GPU.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main(job_path: str, result_path: str, outputs_path: str) -> None:
    mode = os.environ.get("FAKE_WORKER", "")
    result = {"device": "Fake GPU", "ggml_version": "0", "kv_layout": "v_separate"}
    cells = json.loads(Path(job_path).read_text())["cells"]
    if mode == "refused":
        answer = {"error": {"what": "no CUDA device", "where": "", "hint": ""}}
        Path(result_path).write_text(json.dumps(answer))
        return
    value = os.getpid() if mode == "unsteady" else 1
    named: dict[str, Any] = {f"cell{i}": np.full(3, value) for i in range(len(cells))}
    np.savez(outputs_path, **named)
    Path(result_path).write_text(json.dumps({**result, "inputs": ["11"] * len(cells)}))
    for done in range(len(cells)):
        print(done + 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
