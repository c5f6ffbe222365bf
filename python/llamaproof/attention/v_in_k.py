"""Where V is, when it is made of K: as the release's graph has it, or as a cell's layout says."""

from __future__ import annotations

from typing import Literal

from llamaproof.attention.cell import Cell, Layout
from llamaproof.ggml import Ggml, GgmlType, KvLayout

# `apart`: V has a tensor and values of its own. The others are views of K.
PlaceOfV = Literal["apart", "first of K", "last of K"]

_BY_LAYOUT: dict[Layout, PlaceOfV] = {
    "V apart": "apart",
    "V first of K": "first of K",
    "V last of K": "last of K",
}
# Stock 0.3.16 copies the last columns of K. Its kernel never reads the copy: a view gives the same
# kernel and numbers, and is what a wheel of the series has, which stores the latent once.
_OF_LATENT: dict[KvLayout, PlaceOfV] = {
    "v_separate": "last of K",
    "v_first_of_k": "first of K",
}


def place_of_v(ggml: Ggml, cell: Cell) -> PlaceOfV:
    """Where a cell's V is."""
    if cell.layout in _BY_LAYOUT:
        return _BY_LAYOUT[cell.layout]
    return _OF_LATENT[ggml.kv_layout] if cell.heads.latent else "apart"


def is_view(ggml: Ggml, cell: Cell) -> bool:
    """Whether V has no tensor of its own."""
    return place_of_v(ggml, cell) != "apart"


def type_of_v(ggml: Ggml, cell: Cell) -> GgmlType:
    """V's type: that of K where it is a view of it."""
    return cell.type_k if is_view(ggml, cell) else cell.type_v


def columns_of_v(ggml: Ggml, cell: Cell) -> slice:
    """The bytes of a head of K that are V."""
    place = place_of_v(ggml, cell)
    start = 0 if place == "first of K" else cell.heads.k - cell.heads.v
    first = ggml.row_size(cell.type_k, start)
    return slice(first, first + ggml.row_size(cell.type_k, cell.heads.v))
