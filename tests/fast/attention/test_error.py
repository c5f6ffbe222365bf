"""One measure of error: what it is, and what it says of zero, of NaN and of infinity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from llamaproof.attention.error import MAX_NMSE, MAX_ROW_NMSE, error_of, nmse, settled

ONES = np.ones((2, 3, 4), np.float32)
ZEROS = np.zeros((2, 3, 4), np.float32)
Array = npt.NDArray[np.float32]
INFINITE = float("inf")


def with_one(value: float, base: Array = ONES) -> Array:
    changed: Array = base.copy()
    changed[1, 2, 3] = value
    return changed


def test_it_is_the_mean_squared_difference_over_the_mean_square() -> None:
    assert nmse(ONES, ONES) == 0
    assert nmse(1.1 * ONES.astype(np.float64), ONES) == pytest.approx(0.01)
    assert nmse(10 * 1.1 * ONES.astype(np.float64), 10 * ONES) == pytest.approx(0.01)
    assert nmse(with_one(3.0), ONES) == pytest.approx(4 / 24)


def test_small_differences_of_large_numbers_are_seen_in_float64() -> None:
    large = np.full((2, 2), 1e4, np.float32)
    assert nmse(np.nextafter(large, np.float32(np.inf)), large) == pytest.approx(9.5e-15, rel=0.01)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_on_either_side_is_infinitely_wrong(value: float) -> None:
    assert nmse(with_one(value), ONES) == INFINITE
    assert nmse(ONES, with_one(value)) == INFINITE
    # Not even where both have it: nothing can be said of such an element.
    assert nmse(with_one(value), with_one(value)) == INFINITE
    assert not nmse(with_one(value), ONES) <= MAX_NMSE


def test_of_zero_nothing_but_zero_is_right() -> None:
    assert nmse(ZEROS, ZEROS) == 0
    assert nmse(with_one(1e-30, ZEROS), ZEROS) == INFINITE
    assert nmse(with_one(np.nan, ZEROS), ZEROS) == INFINITE


def test_the_largest_error_is_placed() -> None:
    found = error_of(with_one(3.0), ONES)
    assert (found.where, found.largest, found.not_finite) == ((1, 2, 3), 2.0, 0)
    assert found.nmse == nmse(with_one(3.0), ONES)
    worse = with_one(3.0)
    worse[0, 1, 0] = np.nan
    found = error_of(worse, ONES)
    assert (found.where, found.largest, found.not_finite) == ((0, 1, 0), INFINITE, 1)
    assert found.nmse == INFINITE


def test_a_single_wrong_row_among_thousands_is_seen() -> None:
    rng = np.random.default_rng(3)
    expected = rng.standard_normal((4000, 8, 16))
    result = expected.copy()
    result[1234, 5] = expected[1234, 6]
    found = error_of(result, expected)
    assert found.nmse <= MAX_NMSE
    assert found.worst_row > 100 * MAX_ROW_NMSE and not found
    assert error_of(expected * (1 + 1e-4), expected)


def test_a_row_that_is_nearly_zero_is_measured_against_the_others() -> None:
    expected = np.ones((10, 1, 4))
    expected[3] = 0
    result = expected.copy()
    result[3] = 1e-4  # rounding, of values of size one
    assert error_of(result, expected)
    result[3] = 0.1
    assert not error_of(result, expected)


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_of_nothing_visible_backends_may_make_nan_or_zero(value: float) -> None:
    expected = np.ones((3, 2, 4))
    expected[1] = np.nan
    result = np.ones((3, 2, 4), np.float32)
    result[1] = value
    assert error_of(*settled(result, expected)).nmse == 0


@pytest.mark.parametrize("value", [0.5, np.inf])
def test_and_nothing_else(value: float) -> None:
    expected = np.ones((3, 2, 4))
    expected[1] = np.nan
    result = np.ones((3, 2, 4), np.float32)
    result[1] = 0
    result[1, 0, 2] = value
    found = error_of(*settled(result, expected))
    assert found.nmse == INFINITE and found.where == (1, 0, 2)
