"""Statistics say no more than the samples do."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamaproof.bench.stats import (
    CostVerdict,
    _rank_sum_quantile,
    is_converged,
    median_interval,
    ratio_interval,
    rounds_needed,
    slope_interval,
    summary,
    verdict,
)


@settings(max_examples=300, derandomize=True)
@given(
    seed=st.integers(0, 10**9),
    spread=st.sampled_from((0.001, 0.01, 0.1, 0.5)),
    kind=st.sampled_from(("normal", "heavy", "two clocks")),
    rounds=st.integers(9, 30),
)
def test_noise_alone_is_same_or_ambiguous(seed: int, spread: float, kind: str, rounds: int) -> None:
    rng = np.random.default_rng(seed)

    def noise() -> list[float]:
        if kind == "normal":
            logs = rng.standard_normal(rounds)
        elif kind == "heavy":
            logs = rng.standard_t(2, size=rounds)
        else:
            logs = rng.choice((-1.0, 1.0), size=rounds)
        return [float(v) for v in np.exp(spread * logs)]

    assert verdict(ratio_interval(noise(), noise())) in (CostVerdict.SAME, CostVerdict.AMBIGUOUS)


def test_quiet_samples_of_one_cost_are_the_same() -> None:
    rng = np.random.default_rng(3)
    first, second = np.exp(0.002 * rng.standard_normal((2, 10)))
    assert verdict(ratio_interval(list(first), list(second))) is CostVerdict.SAME


@pytest.mark.parametrize(("factor", "expected"), [(1.1, "SLOWER"), (0.9, "FASTER")])
def test_a_real_difference_is_found_with_its_ratio(factor: float, expected: str) -> None:
    rng = np.random.default_rng(4)
    first, second = np.exp(0.01 * rng.standard_normal((2, 12)))
    ratio = ratio_interval(list(factor * first), list(second))
    assert verdict(ratio) is CostVerdict[expected]
    assert ratio.low <= factor <= ratio.high


def test_too_few_rounds_reach_no_verdict_however_far_apart() -> None:
    enough = rounds_needed()
    few = [1.0 + i / 1000 for i in range(enough - 1)]
    ratio = ratio_interval([100 * v for v in few], few)
    assert (ratio.low, ratio.high) == (0.0, math.inf)
    assert verdict(ratio) is CostVerdict.AMBIGUOUS
    more = [*few, 1.5]
    assert verdict(ratio_interval([100 * v for v in more], more)) is CostVerdict.SLOWER


@pytest.mark.parametrize(("m", "n"), [(3, 4), (5, 5), (2, 7)])
def test_the_rank_test_is_exact(m: int, n: int) -> None:
    # U of a choice of ranks is its rank sum less the least possible: every choice is as likely.
    sums = [sum(c) - m * (m - 1) // 2 for c in combinations(range(m + n), m)]
    for tail in (0.01, 0.05, 0.1, 0.3):
        expected = max((u for u in range(m * n) if _share(sums, u) <= tail), default=None)
        assert _rank_sum_quantile(m, n, tail) == expected


def _share(sums: list[int], u: int) -> float:
    return sum(s <= u for s in sums) / len(sums)


def test_the_interval_of_the_median_holds_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(1000):
        interval = median_interval([float(v) for v in rng.exponential(size=15)])
        hits += interval.low <= math.log(2) <= interval.high
    assert hits >= 930


def test_few_samples_have_no_interval_and_are_not_converged() -> None:
    assert median_interval([1.0, 1.0, 1.0]).high == math.inf
    assert not is_converged([1.0, 1.0, 1.0])
    assert is_converged([1.0] * 9)
    assert not is_converged([1.0, 2.0] * 8)


@pytest.mark.parametrize("power", [0.9, 1.0, 2.0])
def test_the_slope_of_a_power_is_its_exponent(power: float) -> None:
    lengths = [4096 << i for i in range(6)]
    exact = slope_interval(lengths, [[float(n) ** power] for n in lengths])
    assert [exact.low, exact.value, exact.high] == pytest.approx([power] * 3)


def test_the_slope_of_noisy_costs_holds_the_exponent() -> None:
    rng = np.random.default_rng(6)
    lengths = [4096 << i for i in range(6)]
    costs = [list(n * np.exp(0.02 * rng.standard_normal(12))) for n in lengths]
    slope = slope_interval(lengths, costs)
    assert slope.low < 1.0 < slope.high
    assert slope.high - slope.low < 0.05


def test_a_summary_holds_median_and_quartiles() -> None:
    found = summary([4.0, 1.0, 3.0, 2.0, 5.0])
    assert (found.q1, found.median, found.q3, found.count) == (2.0, 3.0, 4.0, 5)
