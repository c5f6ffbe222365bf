"""Cells as rows of plain values, for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llamaproof.attention.cell import Cell, Extras, HeadSizes
from llamaproof.ggml import GgmlType

COLUMNS = (
    "head_k",
    "head_v",
    "type_k",
    "type_v",
    "gqa_ratio",
    "n_tokens",
    "n_kv",
    "n_kv_heads",
    "mask",
    "sinks",
    "max_bias",
    "softcap",
    "n_streams",
    "layout",
)
# Rows of documents from before there were streams and layouts end here.
_ONCE_ALL = COLUMNS.index("n_streams")


def to_row(cell: Cell) -> list[Any]:
    """A cell's values in the order of `COLUMNS`."""
    return [
        cell.heads.k,
        cell.heads.v,
        cell.type_k.label,
        cell.type_v.label,
        cell.ratio,
        cell.n_tokens,
        cell.n_kv,
        cell.n_kv_heads,
        cell.extras.mask,
        cell.extras.sinks,
        cell.extras.max_bias,
        cell.extras.softcap,
        cell.n_streams,
        cell.layout,
    ]


def from_row(row: Sequence[Any]) -> Cell:
    """The cell of a row."""
    columns = COLUMNS[:_ONCE_ALL] if len(row) == _ONCE_ALL else COLUMNS
    values = dict(zip(columns, row, strict=True))
    return Cell(
        heads=HeadSizes(k=values["head_k"], v=values["head_v"]),
        type_k=GgmlType.parse(values["type_k"]),
        type_v=GgmlType.parse(values["type_v"]),
        ratio=values["gqa_ratio"],
        n_tokens=values["n_tokens"],
        n_kv=values["n_kv"],
        n_kv_heads=values["n_kv_heads"],
        n_streams=values.get("n_streams", 1),
        layout=values.get("layout", ""),
        extras=Extras(
            mask=values["mask"],
            sinks=values["sinks"],
            max_bias=values["max_bias"],
            softcap=values["softcap"],
        ),
    )
