"""What of the whole grid was not looked at, in few lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llamaproof.bench.by_length import length_label
from llamaproof.bench.points import Point, Selection, select
from llamaproof.reports.grouping import grouped


def left_out_lines(requested: Sequence[Point]) -> Iterator[str]:
    """What of the whole grid was not counted, shapes of which the same is missing together.

    Whole prompts are no part of it: their work is the sum of their ubatches.
    """
    have, whole = set(requested), select(Selection(prompts=False))
    missing = [point for point in whole if point not in have]
    if not missing:
        return
    yield f"not counted: {len(missing)} of the {len(whole)} cells of the grid"
    lengths = grouped((_key(point), length_label(point.cell.n_kv)) for point in missing)
    tokens = grouped(
        ((shape, kv_type, at), str(n_tokens)) for (shape, kv_type, n_tokens), at in lengths.items()
    )
    shapes = grouped(
        ((kv_type, at, counts), shape) for (shape, kv_type, at), counts in tokens.items()
    )
    for (kv_type, at, counts), names in shapes.items():
        yield (
            f"    {kv_type}, {', '.join(counts)} tokens, n_kv {', '.join(at)}: {', '.join(names)}"
        )


def _key(point: Point) -> tuple[str, str, int]:
    cell = point.cell
    return f"{cell.heads}@{cell.ratio}", cell.types, cell.n_tokens
