"""Cells and outcomes for tests."""

from __future__ import annotations

from llamaproof.attention.cell import Cell, HeadSizes, make_cell
from llamaproof.ggml import GgmlType
from llamaproof.placement.outcome import CellOutcome, Launch, from_launches


def cell(heads: str = "576/512", ratio: int = 20, n_tokens: int = 1, n_kv: int = 4096) -> Cell:
    f16 = GgmlType.F16
    return make_cell(HeadSizes.parse(heads), f16, f16, ratio, n_tokens, n_kv)


def launch(name: str, grid: tuple[int, int, int] = (142, 1, 1)) -> Launch:
    return Launch(name=name, grid=grid, block=(32, 4, 1), shared_bytes=1024)


def ran(of: Cell, *names: str, grid: tuple[int, int, int] = (142, 1, 1)) -> CellOutcome:
    return from_launches(of, [launch(name, grid) for name in names])


def mma(ncols1: int, ncols2: int) -> str:
    """A demangled (576, 512) kernel of 0.3.17's template with a tile of ncols1 x ncols2."""
    return f"void flash_attn_ext_f16<576, 512, {ncols1}, {ncols2}, false, true>(char const*)"
