"""What flat attention alone finds: the f16 accumulators of stock 0.3.16 overflow."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from llamaproof import shadow
from llamaproof.attention.cell import HeadSizes, make_cell
from llamaproof.attention.families import RANDOM, find_family
from llamaproof.emulator.results import CellVerdict
from llamaproof.emulator.run import emulate
from llamaproof.ggml import GgmlType

# One block sums up the whole context, as it does on a large card with many tokens.
ONE_BLOCK = dataclasses.replace(shadow.find_gpu("L40S"), multiprocessors=1)
FLAT = find_family("flat")
CELL = make_cell(HeadSizes(k=128, v=128), GgmlType.F16, GgmlType.F16, 4, 35, 4096)


def test_flat_attention_over_4096_cells_is_infinite_and_random_inputs_do_not_show_it(
    stock: Path,
) -> None:
    flat = emulate(str(stock), ONE_BLOCK, [CELL], family=FLAT).results[CELL]
    assert flat.verdict is CellVerdict.WRONG
    assert flat.not_finite == 35 * CELL.n_heads * 128
    random = emulate(str(stock), ONE_BLOCK, [CELL], family=RANDOM).results[CELL]
    assert random.verdict is CellVerdict.HOLDS
