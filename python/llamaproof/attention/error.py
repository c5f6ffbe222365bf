"""How far a result is from the one that is expected, and how far it may be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# test_flash_attn_ext::max_nmse_err of llama.cpp's test-backend-ops, for a device against the CPU.
MAX_NMSE = 5e-4

Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class ResultError:
    """The error of a result.

    Attributes:
        nmse: as `nmse` has it.
        largest: the largest absolute difference; infinite where an element is not finite.
        where: the index of the first element with that difference.
        not_finite: elements of the result that are NaN or infinite.
    """

    nmse: float
    largest: float
    where: tuple[int, ...]
    not_finite: int


def nmse(result: Values, expected: Values) -> float:
    """Normalised mean squared error: mean squared difference over mean square of `expected`.

    It is infinite where any element of either is not finite. Where `expected` is zero throughout,
    it is 0 for a result that is zero too, and else infinite. It is never NaN, so that
    `nmse(...) <= limit` decides in every case.
    """
    return _nmse(_difference(result, expected), expected)


def error_of(result: Values, expected: Values) -> ResultError:
    """The error of a result, and the place where it is largest."""
    difference = np.abs(_difference(result, expected))
    worst = int(np.argmax(difference))
    return ResultError(
        nmse=_nmse(difference, expected),
        largest=float(difference.flat[worst]),
        where=tuple(int(i) for i in np.unravel_index(worst, difference.shape)),
        not_finite=int(np.count_nonzero(~np.isfinite(result))),
    )


def _difference(result: Values, expected: Values) -> npt.NDArray[np.float64]:
    finite = np.isfinite(result) & np.isfinite(expected)
    difference = np.full(result.shape, np.inf)
    np.subtract(result, expected, out=difference, where=finite, dtype=np.float64)
    return difference


def _nmse(difference: npt.NDArray[np.float64], expected: Values) -> float:
    error = float(np.mean(difference**2))
    if error == 0 or not math.isfinite(error):
        return error
    scale = float(np.mean(np.asarray(expected, dtype=np.float64) ** 2))
    return error / scale if scale > 0 else math.inf
