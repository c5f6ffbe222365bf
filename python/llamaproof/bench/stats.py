"""Statistics of samples: medians, convergence, and what can be said of two builds."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

# A whole table has about 600 cells: with a chance of 1e-4 each, one false verdict in it is a
# chance of 6%.
COMPARISON_ALPHA = 1e-4
# Two builds whose costs differ by less are the same for any user.
SAME_MARGIN = 0.02
# Half the width of the median's interval at which more samples would change nothing printed.
CONVERGED_WIDTH = 0.005


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate and the interval it lies in; exact figures have low = value = high."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class SampleSummary:
    """Median, quartiles, and the number of samples behind them."""

    median: float
    q1: float
    q3: float
    count: int


class CostVerdict(str, enum.Enum):
    """What a comparison of costs says of the first against the second."""

    SAME = "SAME"
    FASTER = "FASTER"
    SLOWER = "SLOWER"
    AMBIGUOUS = "AMBIGUOUS"


def summary(samples: Sequence[float]) -> SampleSummary:
    """Of at least one sample."""
    q1, median, q3 = np.percentile(np.asarray(samples), (25, 50, 75))
    return SampleSummary(median=float(median), q1=float(q1), q3=float(q3), count=len(samples))


def median_interval(samples: Sequence[float], *, alpha: float = 0.05) -> Interval:
    """The median and the order-statistic interval that holds it, without assuming a distribution.

    Where the samples are too few for `alpha` the interval is infinite.
    """
    ordered = sorted(samples)
    n = len(ordered)
    value = float(np.median(ordered))
    below = _binomial_rank(n, alpha / 2)
    if below is None:
        return Interval(value=value, low=-math.inf, high=math.inf)
    return Interval(value=value, low=ordered[below], high=ordered[n - 1 - below])


def is_converged(round_medians: Sequence[float]) -> bool:
    """Whether the median is known to `CONVERGED_WIDTH` of itself."""
    interval = median_interval(round_medians)
    return interval.high - interval.low <= 2 * CONVERGED_WIDTH * interval.value


def rounds_needed(alpha: float = COMPARISON_ALPHA) -> int:
    """Rounds of each build below which no comparison can reach a verdict at `alpha`."""
    n = 1
    while 2 / math.comb(2 * n, n) > alpha:
        n += 1
    return n


def ratio_interval(
    first: Sequence[float], second: Sequence[float], *, alpha: float = COMPARISON_ALPHA
) -> Interval:
    """The cost of the first over the cost of the second.

    Hodges and Lehmann's shift of the logarithms, with the exact interval of the Mann-Whitney
    rank test: no distribution is assumed, only that both are disturbed alike. Where the samples
    are too few for `alpha` the interval is infinite.

    Args:
        first, second: positive; medians of rounds that were interleaved.
    """
    differences = np.sort(
        np.subtract.outer(np.log(np.asarray(first)), np.log(np.asarray(second))).ravel()
    )
    value = float(np.exp(np.median(differences)))
    rank = _rank_sum_quantile(len(first), len(second), alpha / 2)
    if rank is None:
        return Interval(value=value, low=0.0, high=math.inf)
    low, high = np.exp(differences[rank]), np.exp(differences[len(differences) - 1 - rank])
    return Interval(value=value, low=float(low), high=float(high))


def cost_ratio(
    first: Sequence[float], second: Sequence[float], *, alpha: float = COMPARISON_ALPHA
) -> Interval:
    """The ratio of two costs: exact where each is a single count, else `ratio_interval`."""
    if len(first) == 1 and len(second) == 1:
        none = 1.0 if first[0] == 0 else math.inf
        value = first[0] / second[0] if second[0] else none
        return Interval(value=value, low=value, high=value)
    return ratio_interval(first, second, alpha=alpha)


def verdict(ratio: Interval, *, margin: float = SAME_MARGIN) -> CostVerdict:
    """What an interval of cost ratios says."""
    if ratio.low > 1 + margin:
        return CostVerdict.SLOWER
    if ratio.high < 1 / (1 + margin):
        return CostVerdict.FASTER
    if 1 / (1 + margin) <= ratio.low and ratio.high <= 1 + margin:
        return CostVerdict.SAME
    return CostVerdict.AMBIGUOUS


def slope_interval(
    lengths: Sequence[int],
    costs: Sequence[Sequence[float]],
    *,
    alpha: float = 0.05,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """The exponent of cost over length: least squares on logarithms of medians, bootstrapped.

    Args:
        lengths: n_kv, at least two different.
        costs: for each length the round medians, or one exact figure.
    """
    x = np.log(np.asarray(lengths, dtype=np.float64))
    value = _slope(x, np.log([np.median(c) for c in costs]))
    rng = np.random.default_rng(seed)
    columns = []
    for cost in costs:
        samples = np.asarray(cost, dtype=np.float64)
        picked = rng.integers(len(samples), size=(resamples, len(samples)))
        columns.append(np.median(samples[picked], axis=1))
    centred = x - x.mean()
    slopes = np.log(np.stack(columns, axis=1)) @ centred / (centred**2).sum()
    low, high = np.quantile(slopes, (alpha / 2, 1 - alpha / 2))
    return Interval(value=value, low=float(low), high=float(high))


def _slope(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    centred = x - x.mean()
    return float((centred * y).sum() / (centred**2).sum())


def _binomial_rank(n: int, tail: float) -> int | None:
    """The largest rank r with P(fewer than r + 1 of n samples lie below the median) <= tail."""
    total, rank = 0.0, None
    for index in range(n // 2):
        total += math.comb(n, index) / 2.0**n
        if total > tail:
            break
        rank = index
    return rank


@lru_cache(maxsize=256)
def _rank_sum_quantile(m: int, n: int, tail: float) -> int | None:
    """The largest u with P(U <= u) <= tail, for Mann and Whitney's U of sizes m and n."""
    # The number of orders with U = u is the coefficient of q^u in the Gaussian binomial.
    counts = [1] + [0] * (m * n)
    for i in range(1, m + 1):
        shift = n + i
        for u in range(m * n, shift - 1, -1):
            counts[u] -= counts[u - shift]
        for u in range(i, m * n + 1):
            counts[u] += counts[u - i]
    total, limit, found = 0, tail * math.comb(m + n, n), None
    for u, count in enumerate(counts[: m * n // 2]):
        total += count
        if total > limit:
            break
        found = u
    return found
