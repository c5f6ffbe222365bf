"""Which cells a token sees, by pattern; tiles that are hidden throughout are counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llamaproof.attention.cell import Cell, Extras, HeadSizes, make_cell
from llamaproof.attention.seen import (
    PATTERNS,
    causal_mask,
    mask_of,
    masked_tiles,
    seen_cells,
    used_cells,
)
from llamaproof.ggml import GgmlType


def cell(n_tokens: int, n_kv: int, n_streams: int = 1) -> Cell:
    plain = make_cell(HeadSizes(k=64, v=64), GgmlType.F16, GgmlType.F16, 4, n_tokens, n_kv)
    return replace(plain, n_streams=n_streams)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_nobody_sees_what_is_not_there_yet(pattern: str) -> None:
    shape = cell(35, 1024, 2)
    seen = seen_cells(shape, pattern)  # type: ignore[arg-type]
    used = used_cells(shape, pattern)  # type: ignore[arg-type]
    for stream in range(2):
        for token in range(35):
            last = used[stream] - 35 + token
            assert not seen[stream, token, last + 1 :].any()
    assert seen.any()


def test_the_causal_mask_of_one_stream_is_what_it_was() -> None:
    shape = cell(5, 300)
    mask = mask_of(shape, seen_cells(shape), 64)
    assert np.array_equal(mask, causal_mask(5, 300, 64, unused=300 // 9))


def test_a_mask_of_alibi_holds_distances() -> None:
    shape = replace(cell(2, 64), extras=Extras(max_bias=8.0))
    mask = mask_of(shape, seen_cells(shape), 64)
    last = 64 - 64 // 9 - 2
    assert mask[0, last] == 0 and mask[0, 0] == -last and mask[1, 0] == -last - 1
    assert np.isneginf(mask[0, last + 1 :]).all()


@pytest.mark.parametrize(
    ("pattern", "hidden"),
    [("causal", 0), ("front", 2), ("middle", 2), ("end", 2), ("stripes", 0)],
)
def test_whole_tiles_are_hidden_where_a_pattern_says_so(pattern: str, hidden: int) -> None:
    seen = seen_cells(cell(8, 1024), pattern)  # type: ignore[arg-type]
    found, tiles = masked_tiles(seen, 8)
    assert (found, tiles) == (hidden, 4)


def test_stripes_hide_whole_tiles_from_single_tokens() -> None:
    seen = seen_cells(cell(8, 1024), "stripes")
    assert masked_tiles(seen, 1) == (24, 32)


def test_interleaved_sequences_hide_no_tile_and_three_of_four_cells() -> None:
    seen = seen_cells(cell(8, 1024), "interleaved")
    assert masked_tiles(seen, 1)[0] == 0
    assert seen[0, 1].sum() == pytest.approx(seen_cells(cell(8, 1024))[0, 1].sum() / 4, abs=1)
