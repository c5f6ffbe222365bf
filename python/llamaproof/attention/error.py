"""How far a result is from the one that is expected, and how far it may be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# test_flash_attn_ext::max_nmse_err of llama.cpp's test-backend-ops, for a device against the CPU.
MAX_NMSE = 5e-4
# A row computed from wrong inputs is off by about its own size (NMSE 1); rounding of q8_0 queries
# on the CPU backend reaches 1e-3 in a row.
MAX_ROW_NMSE = 1e-2
# A row that is smaller than this share of the mean (of squares) is measured against this share: in
# a row that is nearly zero, rounding is all there is.
_SMALLEST_ROW = 1e-4

Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class ResultError:
    """The error of a result.

    Attributes:
        nmse: as `nmse` has it.
        largest: the largest absolute difference; infinite where an element is not finite.
        where: the index of the first element with that difference.
        not_finite: elements of the result that are NaN or infinite.
        worst_row: the largest NMSE of a row, the last dimension: a single wrong row among
            thousands hardly moves the NMSE of all.
    """

    nmse: float
    largest: float
    where: tuple[int, ...]
    not_finite: int
    worst_row: float

    def __bool__(self) -> bool:
        """Whether it is small enough, as a whole and in each row."""
        return self.nmse <= MAX_NMSE and self.worst_row <= MAX_ROW_NMSE


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
        worst_row=_worst_row(difference, expected),
    )


def settled(result: Values, expected: Values) -> tuple[Values, Values]:
    """Both, where what is not defined is zero in both unless the result is wrong there too.

    A row that sees nothing is 0/0 by definition, NaN in `expected`. Backends of different releases
    make NaN or zero of it; anything else is taken from memory that means nothing, and becomes
    infinite here.
    """
    undefined = np.isnan(expected)
    if not undefined.any():
        return result, expected
    allowed = np.isnan(result) | (result == 0)
    judged = np.where(undefined, np.where(allowed, 0.0, np.inf), result)
    return judged, np.where(undefined, 0.0, expected)


def _difference(result: Values, expected: Values) -> npt.NDArray[np.float64]:
    finite = np.isfinite(result) & np.isfinite(expected)
    difference = np.full(result.shape, np.inf)
    np.subtract(result, expected, out=difference, where=finite, dtype=np.float64)
    return difference


def _worst_row(difference: npt.NDArray[np.float64], expected: Values) -> float:
    errors = np.mean(difference**2, axis=-1)
    sizes = np.mean(np.asarray(expected, dtype=np.float64) ** 2, axis=-1)
    smallest = _SMALLEST_ROW * float(np.mean(sizes))
    wrong = errors > 0
    if not wrong.any():
        return 0.0
    sizes = np.maximum(sizes, smallest)[wrong]
    with np.errstate(divide="ignore"):
        found = float(np.max(errors[wrong] / sizes))
    return found if math.isfinite(found) else math.inf


def _nmse(difference: npt.NDArray[np.float64], expected: Values) -> float:
    error = float(np.mean(difference**2))
    if error == 0 or not math.isfinite(error):
        return error
    scale = float(np.mean(np.asarray(expected, dtype=np.float64) ** 2))
    return error / scale if scale > 0 else math.inf
