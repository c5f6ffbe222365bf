"""Grids, shapes and counts of seconds in place of those of minutes, for proofs of small wheels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from llamaproof.attention.cell import HeadSizes, make_cell
from llamaproof.attention.families import find_family
from llamaproof.attention.grid import Axes, heads_of
from llamaproof.bench.gate import load_gate
from llamaproof.bench.points import Selection, select_emulated
from llamaproof.ggml import GgmlType
from llamaproof.placement.by_model import MODEL_CELLS
from llamaproof.prove import numbers, placement, work
from llamaproof.prove.stress import LeftOut, Stress, StressRun

# One family on a card with few multiprocessors, in place of a dozen.
STRESS = Stress(
    runs=(
        StressRun(
            family=find_family("peak"),
            multiprocessors=4,
            cells=tuple(
                make_cell(HeadSizes(k=576, v=512), GgmlType.F16, GgmlType.F16, 16, n_tokens, 256)
                for n_tokens in (1, 3)
            ),
            reasons=("a maximum that jumps",),
        ),
    ),
    left_out=(LeftOut(what="long contexts", reason="hours"),),
)


@contextlib.contextmanager
def in_place_of_minutes() -> Iterator[None]:
    """Have proofs ask little, while the context lasts."""
    heads = heads_of("576/512")
    shapes = Axes(
        heads=heads, types=(GgmlType.F16, GgmlType.Q8_0), ratios=(3, 16, 20), n_tokens=(1, 3),
        n_kv=(256,),
    )  # fmt: skip
    points = select_emulated(
        Selection(head_sizes=heads, gqa_ratios=(16, 20), tokens=(1,), n_kv=(256, 512))
    )
    gate = load_gate().only(["on-gpu", "near-linear-doubling", "no-cliff-20-16"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placement, "grid_for", lambda _heads: (shapes,))
        patch.setattr(placement, "MODEL_CELLS", [c for c in MODEL_CELLS if c.heads in heads])
        patch.setattr(numbers, "PROOF_SHAPES", (shapes,))
        patch.setattr(numbers, "load_stress", lambda: STRESS)
        patch.setattr(work, "proof_points", lambda: points)
        patch.setattr(work, "load_gate", lambda: gate)
        yield
