"""Check a cell on the CPU backend with a spoilt mask: `python -m ... TARGET DEFECT N_KV`.

In a process of its own: it loads the target's libraries, and stand-ins for CUDA before them.
Prints the outcome of an honest check and of the spoilt one as a JSON list.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from llamaproof.bench import check, workload
from llamaproof.bench.cells import Cell
from llamaproof.bench.runtime import load_stand_ins
from llamaproof.ggml import load
from llamaproof.target import open_target

Mask = npt.NDArray[np.float16]


def _end_unchecked(mask: Mask) -> None:
    """Every token sees the last cell, as in a kernel without a bounds check."""
    mask[:, -1] = 0


def _shifted(mask: Mask, shift: int) -> None:
    """What a token sees ends some cells later or earlier, as with a wrong mask row."""
    mask[:] = np.roll(mask, shift, axis=1)
    mask[:, : max(0, shift)] = 0


DEFECTS: dict[str, Callable[[Mask], None]] = {
    "no bounds check": _end_unchecked,
    "one cell too many": lambda mask: _shifted(mask, 1),
    "one cell too few": lambda mask: _shifted(mask, -1),
}


def main(spec: str, defect: str, n_kv: int) -> None:
    cell = Cell(
        head_k=576, head_v=512, n_kv_heads=1, gqa_ratio=20, kv_type="f16", n_tokens=4, n_kv=n_kv
    )
    with open_target(spec) as target, tempfile.TemporaryDirectory() as scratch:
        load_stand_ins(target.libraries, Path(scratch))
        ggml = load(target.lib_dir)
        cpu = ggml.device("CPU")
        assert cpu is not None
        honest_mask = workload.causal_mask

        def spoilt_mask(n_tokens: int, n_kv: int, rows: int, *, unused: int = 0) -> Mask:
            mask = honest_mask(n_tokens, n_kv, rows, unused=unused)
            if rows > n_tokens:  # the device's mask is padded, the reference's is not
                DEFECTS[defect](mask[:n_tokens])
            return mask

        with cpu.backend_stream(n_threads=2) as stream:
            outcomes = [check.check_cell(ggml, cpu, stream, cell, seed=1, n_threads=2)]
            workload.causal_mask = spoilt_mask
            outcomes.append(check.check_cell(ggml, cpu, stream, cell, seed=1, n_threads=2))
    print(json.dumps([outcome.to_json() for outcome in outcomes]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
