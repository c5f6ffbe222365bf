"""Matrices for wmma, and how they lie in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.support.executor.lanes import aligned

RNG = np.random.default_rng(20261124)
SHAPES = {"m16n16k16": (16, 16), "m32n8k16": (32, 8), "m8n32k16": (8, 32)}
DTYPES: dict[str, Any] = {"f16": np.float16, "f32": np.float32}
# Elements between the end of a line and the next line's begin, filled with what must not count.
PADDING = 16


def stored(matrix: Any, layout: str, padding: int = PADDING) -> Any:
    """A matrix as it lies in memory, its lines (rows or columns) apart."""
    lines = matrix if layout == "row" else matrix.T
    memory = np.full((lines.shape[0], lines.shape[1] + padding), np.nan, matrix.dtype)
    memory[:, : lines.shape[1]] = lines
    return aligned(memory)


def loaded(memory: Any, layout: str, padding: int = PADDING) -> Any:
    """The matrix in such memory."""
    lines = memory[:, : memory.shape[1] - padding]
    return lines if layout == "row" else lines.T


def matrices(shape: str, accumulator: str, *, integers: bool) -> tuple[Any, Any, Any]:
    m, n = SHAPES[shape]
    sizes = ((m, 16), (16, n), (m, n))
    if integers:  # exact in f16, in any order of adding
        parts = [RNG.integers(-8, 9, size=size).astype(np.float64) for size in sizes]
    else:
        parts = [RNG.standard_normal(size) for size in sizes]
    dtypes = (np.float16, np.float16, DTYPES[accumulator])
    a, b, c = (x.astype(dtype) for x, dtype in zip(parts, dtypes, strict=True))
    return a, b, c
