"""The counts that come with the package are whole, and used where nothing nearer is given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llamaproof.bench.gate import judge, load_gate, outcome_of
from llamaproof.bench.gate_input import evidence_of, kept_records
from llamaproof.bench.points import Selection, select_emulated
from llamaproof.bench.record import Record
from llamaproof.reports.outcome import Outcome

KEPT = {record.targets[0].role: record for record in kept_records("counted work")}
POINTS = select_emulated(Selection())


def as_todays(role: str) -> Record:
    """A kept record taken for the run that is judged."""
    return replace(KEPT[role], requested=POINTS)


@pytest.mark.parametrize("role", ["0.3.16", "0.3.36"])
def test_the_kept_counts_cover_what_the_emulator_does_by_default(role: str) -> None:
    results = KEPT[role].of(0)
    assert set(POINTS) <= results.keys() and KEPT[role].complete
    for point in POINTS:
        falls_back = role == "0.3.16" and point.cell.ratio == 20
        assert results[point].status == ("falls back" if falls_back else "measured")


def test_times_have_no_kept_records() -> None:
    assert kept_records("device seconds") == () and kept_records("host seconds") == ()


def test_stock_0_3_16_fails_because_ratio_20_falls_back() -> None:
    given = evidence_of(as_todays("0.3.16"), kept=kept_records("counted work"))
    verdicts = {v.rule.name: v for v in judge(load_gate(), given)}
    assert outcome_of(verdicts.values()) is Outcome.DEFECT
    assert verdicts["on-gpu"].count(Outcome.DEFECT) == sum(c.cell.ratio == 20 for c in POINTS)
    assert verdicts["no-worse-than-0.3.16"].outcome is not Outcome.DEFECT


def test_upstreams_0_3_36_is_judged_on_every_rule_but_prompts() -> None:
    given = evidence_of(as_todays("0.3.36"), kept=kept_records("counted work"))
    verdicts = {v.rule.name: v for v in judge(load_gate(), given)}
    assert all(v.outcome is not Outcome.NOT_CHECKED for v in verdicts.values())
    assert verdicts["no-worse-than-0.3.36"].outcome is Outcome.HOLDS
    assert verdicts["on-gpu"].outcome is Outcome.HOLDS


def test_another_card_is_not_compared_with_the_kept_counts() -> None:
    today = as_todays("0.3.36")
    today.machine = replace(today.machine, device="emulated CUDA0 NVIDIA A100-SXM4-80GB")
    given = evidence_of(today, kept=kept_records("counted work"))
    assert not given.references and set(given.gone) == {"0.3.16", "0.3.36"}
