"""Check a cell on the CPU backend with a spoilt mask: `python -m ... TARGET DEFECT N_KV`.

In a process of its own: it loads the target's libraries, and stand-ins for CUDA before them.
Prints the outcome of an honest check and of the spoilt one as a JSON list.
"""

from __future__ import annotations

import json
import sys
import tempfile
import unittest.mock
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np

from llamaproof.attention.cell import Cell, HeadSizes, make_cell
from llamaproof.attention.compute import PlacedCell, placed
from llamaproof.attention.inputs import Inputs
from llamaproof.attention.seen import Mask
from llamaproof.bench import check
from llamaproof.bench.runtime import load_stand_ins
from llamaproof.ggml import Device, Ggml, GgmlType, load
from llamaproof.target import open_target


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
    cell = make_cell(HeadSizes.parse("576/512"), GgmlType.F16, GgmlType.F16, 20, 4, n_kv)
    with open_target(spec) as target, tempfile.TemporaryDirectory() as scratch:
        load_stand_ins(target.libraries, Path(scratch))
        ggml = load(target.lib_dir)
        cpu = ggml.device("CPU")
        assert cpu is not None

        def placed_spoilt(
            ggml: Ggml, device: Device, cell: Cell, inputs: Inputs
        ) -> AbstractContextManager[PlacedCell]:
            assert inputs.mask is not None
            mask = inputs.mask.copy()
            DEFECTS[defect](mask[: cell.n_tokens])
            return placed(ggml, device, cell, replace(inputs, mask=mask))

        with cpu.backend_stream(n_threads=2) as stream:
            outcomes = [check.check_cell(ggml, cpu, stream, cell, n_threads=2)]
            # What is checked gets the spoilt mask, what it is compared with the right one.
            with unittest.mock.patch.object(check, "placed", placed_spoilt):
                outcomes.append(check.check_cell(ggml, cpu, stream, cell, n_threads=2))
    print(json.dumps([outcome.to_json() for outcome in outcomes]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
