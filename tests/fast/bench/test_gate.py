"""The gate passes a sound kernel, and names each defect it exists to find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from llamaproof.bench.gate import (
    DEFAULT_GATE,
    GateEvidence,
    RuleVerdict,
    judge,
    load_gate,
    outcome_of,
    predicted_sum,
)
from llamaproof.bench.points import Point
from llamaproof.bench.record import PointResult
from llamaproof.bench.terminal import verdict_lines
from llamaproof.errors import NOT_CHECKED, BadInput
from llamaproof.reports.outcome import Outcome
from tests.support.bench.made_up_results import (
    GRID,
    counted,
    evidence,
    fallen_back,
    good_cost,
    timed,
)

GATE = load_gate()
AT_20 = [point for point in GRID if point.cell.ratio == 20]


def verdicts_of(given: GateEvidence) -> dict[str, RuleVerdict]:
    return {verdict.rule.name: verdict for verdict in judge(GATE, given)}


def whole(results: dict[Point, PointResult]) -> GateEvidence:
    reference = timed(GRID, good_cost, seed=7)
    return evidence(results, stock=reference, newest=reference)


def failing(given: GateEvidence) -> set[str]:
    return {n for n, v in verdicts_of(given).items() if v.outcome is Outcome.DEFECT}


def unchecked(given: GateEvidence) -> set[str]:
    return {n for n, v in verdicts_of(given).items() if v.outcome is Outcome.NOT_CHECKED}


def test_a_sound_kernel_passes_every_rule() -> None:
    verdicts = judge(GATE, whole(timed(GRID, good_cost)))
    assert {v.outcome for v in verdicts} == {Outcome.HOLDS}
    assert outcome_of(verdicts) is Outcome.HOLDS


def test_a_sound_kernel_passes_on_counts_alone() -> None:
    reference = counted(GRID, good_cost)
    verdicts = judge(GATE, evidence(reference, stock=reference, newest=reference))
    assert outcome_of(verdicts) is Outcome.HOLDS


def test_work_quadratic_in_n_kv_is_found() -> None:
    def quadratic(point: Point) -> float:
        return good_cost(point) + sum(1e-13 * step.n_tokens * step.n_kv**2 for step in point.steps)

    assert {"near-linear-slope", "near-linear-doubling"} <= failing(whole(timed(GRID, quadratic)))
    counts = evidence(counted(GRID, quadratic))
    assert {"near-linear-slope", "near-linear-doubling"} <= failing(counts)


def test_one_doubling_that_jumps_is_found_though_the_slope_hides_it() -> None:
    def jump(point: Point) -> float:
        return good_cost(point) * (1.3 if point.cell.n_kv >= 32768 else 1.0)

    found = failing(whole(timed(GRID, jump)))
    assert "near-linear-doubling" in found


def test_a_prompt_that_grows_faster_than_its_ubatches_is_found() -> None:
    def slow_prompt(point: Point) -> float:
        return good_cost(point) * (1.4 if point.prompt and point.cell.n_kv == 16384 else 1.0)

    assert failing(whole(timed(GRID, slow_prompt))) >= {"near-linear-prompt"}


def test_right_at_16_and_slow_at_20_is_found() -> None:
    def five_passes(point: Point) -> float:
        return good_cost(point) * (2.5 if point.cell.ratio == 20 else 1.0)

    found = failing(evidence(timed(GRID, five_passes)))
    assert found == {"no-cliff-20-16", "no-cliff-20-32"}
    assert failing(evidence(counted(GRID, five_passes))) == found


def test_a_cell_7_5_times_slower_is_called_what_it_is() -> None:
    slow = AT_20[0].varied(n_kv=16384)

    def one_slow(point: Point) -> float:
        return good_cost(point) * (7.6 if point == slow else 1.0)

    verdict = verdicts_of(whole(timed(GRID, one_slow)))["no-worse-than-0.3.16"]
    texts = [f.text for f in verdict.findings if f.outcome is Outcome.DEFECT]
    assert len(texts) == 1
    assert str(slow) in texts[0] and "REGRESSION" in texts[0]


def test_the_worst_cell_is_shown_first_and_every_missing_one_once() -> None:
    slow = AT_20[0].varied(n_kv=65536)

    def cost(point: Point) -> float:
        return good_cost(point) * (9.0 if point == slow else 2.0 if point.cell.ratio == 20 else 1.0)

    given = whole(timed(GRID, cost))
    verdict = verdicts_of(given)["no-worse-than-0.3.16"]
    first = list(verdict_lines([verdict], GRID))[2]
    assert str(slow) in first and "9.0x REGRESSION" in first
    results = counted(GRID, good_cost)
    del results[AT_20[0]]
    without = evidence(results, stock=results, newest=results)
    for name in ("no-cliff-20-16", "no-worse-than-0.3.36"):
        assert verdicts_of(without)[name].count(Outcome.NOT_CHECKED) == 1


def test_slower_by_less_than_the_limits_holds_and_by_more_fails() -> None:
    assert failing(whole(timed(GRID, lambda point: 1.03 * good_cost(point)))) == set()
    assert failing(whole(timed(GRID, lambda point: 1.15 * good_cost(point)))) == {
        "no-worse-than-0.3.16"
    }
    assert failing(whole(timed(GRID, lambda point: 1.4 * good_cost(point)))) == {
        "no-worse-than-0.3.16",
        "no-worse-than-0.3.36",
    }


def test_falling_back_fails_whatever_the_rest_says() -> None:
    results = timed(GRID, good_cost) | fallen_back(AT_20[:1])
    verdicts = judge(GATE, whole(results))
    assert outcome_of(verdicts) is Outcome.DEFECT
    assert "on-gpu" in failing(whole(results))


def test_where_stock_falls_back_nothing_is_compared_with_it() -> None:
    reference = timed(GRID, good_cost)
    given = evidence(reference, stock=reference | fallen_back(AT_20), newest=reference)
    verdict = verdicts_of(given)["no-worse-than-0.3.16"]
    assert verdict.outcome is Outcome.HOLDS
    assert sum("does not run it" in f.text for f in verdict.findings) == len(AT_20)


@pytest.mark.parametrize("lacking", [AT_20[3], GRID[-1], next(c for c in GRID if c.prompt)])
def test_a_missing_cell_is_not_checked_and_never_passes(lacking: Point) -> None:
    results = timed(GRID, good_cost)
    del results[lacking]
    verdicts = judge(GATE, whole(results))
    assert outcome_of(verdicts) is Outcome.NOT_CHECKED
    assert "on-gpu" in unchecked(whole(results))


def test_a_reference_that_was_not_given_is_not_checked() -> None:
    given = evidence(timed(GRID, good_cost))
    assert unchecked(given) == {"no-worse-than-0.3.16", "no-worse-than-0.3.36"}
    assert outcome_of(judge(GATE, given)) is Outcome.NOT_CHECKED


def test_no_results_at_all_pass_nothing() -> None:
    verdicts = judge(GATE, evidence({}))
    assert {v.outcome for v in verdicts} == {Outcome.NOT_CHECKED}
    assert outcome_of(verdicts) is Outcome.NOT_CHECKED
    assert outcome_of(judge(GATE, evidence({}, requested=()))) is Outcome.NOT_CHECKED
    assert outcome_of(()) is Outcome.NOT_CHECKED


def test_a_count_that_is_not_there_is_not_checked() -> None:
    results = {
        point: replace(result, counts={"warp_instructions": 1.0})
        for point, result in counted(GRID, good_cost).items()
    }
    assert "no-cliff-20-16" in unchecked(evidence(results))


def test_a_kernel_without_matrix_operations_is_judged_by_its_other_work() -> None:
    """Between two n_kv a release may change from a vector kernel to one with tensor cores."""

    def without_mma(factor: float) -> dict[Point, PointResult]:
        results = counted(GRID, lambda point: factor * good_cost(point))
        for point, result in results.items():
            if point.cell.n_tokens == 1 and point.cell.n_kv < 8192:
                results[point] = replace(result, counts={**result.counts, "mma_operations": 0.0})
        return results

    good = counted(GRID, good_cost)
    passed = judge(GATE, evidence(without_mma(1.0), stock=good, newest=good))
    assert outcome_of(passed) is Outcome.HOLDS
    slow = verdicts_of(evidence(without_mma(1.2), stock=good, newest=good))
    assert slow["no-worse-than-0.3.16"].outcome is Outcome.DEFECT


def with_figures(factor: Callable[[Point], float], *names: str) -> dict[Point, PointResult]:
    """Sound counts, with some figures multiplied; their bound of time is hidden and stays."""
    results = counted(GRID, lambda point: good_cost(point.varied(ratio=16)))
    for point, result in results.items():
        counts = dict(result.counts)
        counts |= {name: factor(point) * counts[name] for name in names}
        results[point] = replace(result, counts=counts)
    return results


def test_a_padded_second_group_is_noted_and_five_groups_fail() -> None:
    """Twice the mma operations of a step that waits for memory cost nothing; five times show K
    read five times over, though the bound of time is the same."""

    def at_20(factor: float) -> Callable[[Point], float]:
        return lambda point: {20: factor, 32: 2.0}.get(point.cell.ratio, 1.0)

    padded = evidence(with_figures(at_20(2.0), "mma_operations"))
    assert failing(padded) == set()
    cliff = verdicts_of(padded)["no-cliff-20-16"]
    assert cliff.outcome is Outcome.HOLDS
    assert cliff.count(Outcome.NOTED) == sum(not point.prompt for point in AT_20)
    assert all(
        "more than 1.6 by itself" in f.text for f in cliff.findings if f.outcome is Outcome.NOTED
    )
    for figure in ("mma_operations", "global_bytes", "warp_instructions"):
        assert "no-cliff-20-16" in failing(evidence(with_figures(at_20(4.2), figure)))


def test_the_bound_of_time_fails_though_every_figure_is_within_its_own_limit() -> None:
    results = counted(GRID, good_cost)
    for point in AT_20:
        counts = {**results[point].counts, "modelled_microseconds": 1e6 * 1.7 * good_cost(point)}
        results[point] = replace(results[point], counts=counts)
    assert "no-cliff-20-16" in failing(evidence(results))


def test_work_that_hides_below_the_bound_is_limited_by_itself() -> None:
    reference = counted(GRID, lambda point: good_cost(point.varied(ratio=16)))

    def against(factor: float) -> set[str]:
        given = with_figures(lambda _point: factor, "warp_instructions")
        return failing(evidence(given, stock=reference, newest=reference))

    assert against(4.0) == set()
    assert against(7.5) == {"no-worse-than-0.3.16", "no-worse-than-0.3.36"}

    def quadratic(point: Point) -> float:
        return 1.0 + point.cell.n_kv / 8192

    grown = evidence(with_figures(quadratic, "warp_instructions"), stock=reference)
    assert "near-linear-slope" in failing(grown)


def test_what_counts_cannot_show_is_said_and_passes_nothing() -> None:
    reference = counted(GRID, good_cost)
    given = evidence(reference, stock=reference, newest=reference)
    prompt = verdicts_of(given)["near-linear-prompt"]
    assert prompt.outcome is Outcome.NOTED and "device seconds" in prompt.findings[0].text
    assert outcome_of([prompt]).exit_code == NOT_CHECKED
    assert any("NOT JUDGED   near-linear-prompt" in line for line in verdict_lines([prompt], GRID))


def test_noise_across_a_limit_is_not_checked_and_never_passes() -> None:
    noisy = timed(GRID, lambda point: 1.03 * good_cost(point), noise=0.05)
    assert "no-worse-than-0.3.16" in unchecked(whole(noisy))


@pytest.mark.parametrize("noise", [0.002, 0.02, 0.2])
def test_noise_alone_fails_no_rule(noise: float) -> None:
    """Two samplings of one cost, however noisy: what cannot be told apart is not checked."""
    given = evidence(
        timed(GRID, good_cost, noise=noise),
        stock=timed(GRID, good_cost, noise=noise, seed=7),
        newest=timed(GRID, good_cost, noise=noise, seed=8),
    )
    assert failing(given) == set()
    assert bool(unchecked(given)) is (noise > 0.01)


def test_7_5_times_the_work_is_found_without_a_gpu() -> None:
    reference = counted(GRID, good_cost)
    slow = AT_20[0]
    results = counted(GRID, lambda point: good_cost(point) * (7.6 if point == slow else 1.0))
    given = evidence(results, stock=reference, newest=reference)
    for name in ("no-worse-than-0.3.16", "no-worse-than-0.3.36", "no-cliff-20-16"):
        verdict = verdicts_of(given)[name]
        texts = [f.text for f in verdict.findings if f.outcome is Outcome.DEFECT]
        assert len(texts) == 4 and all(str(slow) in text for text in texts)
        assert name == "no-cliff-20-16" or all("7.6x REGRESSION" in text for text in texts)


def test_every_rule_has_a_reason_and_every_reason_is_shown_in_the_data() -> None:
    assert all(len(rule.reason) > 40 for rule in GATE.rules)
    assert len({rule.name for rule in GATE.rules}) == len(GATE.rules)


def test_the_sum_of_ubatches_of_a_linear_cost_is_exact() -> None:
    known = {n: 3.0 + 0.25 * n for n in (1024, 2048, 4096)}
    expected = sum(3.0 + 0.25 * n for n in range(512, 4097, 512))
    assert predicted_sum(known, 4096) == pytest.approx(expected)


def test_only_the_rules_named_are_judged() -> None:
    assert [r.name for r in GATE.only(["on-gpu"]).rules] == ["on-gpu"]
    with pytest.raises(BadInput, match="no rule"):
        GATE.only(["on-gpus"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("schema = 1", "its schema is 1"),
        ('schema = "llamaproof.gate"\nversion = 2', "version 2"),
        ('schema = "llamaproof.gate"\nversion = 3', "incomplete"),
        ("schema", "cannot be read"),
        (
            DEFAULT_GATE.read_text().replace("figure_at_most = 1.6", "figure_at_most = 1.0"),
            "below at_most",
        ),
        (DEFAULT_GATE.read_text().replace('kind = "cliff"', 'kind = "clif"'), "unknown kind"),
    ],
)
def test_a_damaged_gate_is_an_error(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=says):
        load_gate(path)


def test_the_verdict_says_how_much_of_the_grid_it_is_about() -> None:
    few = AT_20[:8]
    given = evidence(timed(few, good_cost), requested=few)
    lines = list(verdict_lines(judge(GATE, given), few))
    assert lines[0].startswith("judged on 8 of the ")
    assert any(line.startswith("NOT CHECKED  no-cliff-20-16") for line in lines)
