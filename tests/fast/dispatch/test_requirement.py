"""`--require` names cells that must run on the GPU."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamaproof.dispatch.requirement import parse, unmet
from llamaproof.errors import BadInput
from llamaproof.placement.outcome import FALLS_BACK, CellOutcome, aborts
from tests.support.placement.outcomes import mma, ran


def test_one_ratio_and_type_is_asked_at_every_number_of_tokens_and_two_depths() -> None:
    cells = parse("576/512@20:f16").cells
    assert {c.ratio for c in cells} == {20}
    assert {c.types for c in cells} == {"f16"}
    assert {c.n_tokens for c in cells} == {1, 2, 4, 8, 64, 512}
    assert {c.n_kv for c in cells} == {4096, 32768}
    assert len(cells) == 12


def test_a_percent_sign_asks_for_every_multiple() -> None:
    assert {c.ratio for c in parse("576/512@%4:f16").cells} == set(range(4, 129, 4))
    assert {c.ratio for c in parse("576/512@%32,20,71:f16").cells} == {20, 32, 64, 71, 96, 128}


def test_a_dash_asks_for_every_ratio_between_two_and_for_both() -> None:
    assert {c.ratio for c in parse("576/512@2-128:f16").cells} == set(range(2, 129))
    assert {c.ratio for c in parse("576/512@18-20,%64,7-7:f16").cells} == {7, 18, 19, 20, 64, 128}


def test_types_may_differ_between_k_and_v_and_tokens_may_be_named() -> None:
    cells = parse("128@4,8:q8_0/f16,f16#1,512").cells
    assert {c.types for c in cells} == {"q8_0/f16", "f16"}
    assert {c.n_tokens for c in cells} == {1, 512}
    assert {c.ratio for c in cells} == {4, 8}


def test_streams_may_be_named() -> None:
    cells = parse("576/512@20:f16#1*4,8").cells
    assert {(c.n_tokens, c.n_streams) for c in cells} == {(1, 4), (1, 8)}
    assert {c.n_streams for c in parse("128@4:f16*2").cells} == {2}
    assert {c.n_streams for c in parse("128@4:f16").cells} == {1}


@given(
    st.integers(1, 1024),
    st.lists(st.integers(1, 128), min_size=1, max_size=4),
    st.sampled_from(["f16", "bf16", "f32"]),
    st.lists(st.integers(1, 4096), min_size=1, max_size=3),
)
def test_whatever_is_written_by_the_rules_is_read_as_written(
    head: int, ratios: list[int], kind: str, tokens: list[int]
) -> None:
    text = f"{head}@{','.join(map(str, ratios))}:{kind}#{','.join(map(str, tokens))}"
    cells = parse(text).cells
    assert {c.heads.k for c in cells} == {head}
    assert {c.ratio for c in cells} == set(ratios)
    assert {c.n_tokens for c in cells} == set(tokens)
    assert {c.types for c in cells} == {kind}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "576/512",
        "576/512@20",
        "576/512:f16",
        "576/512@:f16",
        "576/512@0:f16",
        "576/512@%0:f16",
        "576/512@%200:f16",
        "576/512@20-2:f16",
        "576/512@2-129:f16",
        "576/512@0-4:f16",
        "576/512@2-:f16",
        "576/512@-4:f16",
        "576/512@2-4-6:f16",
        "576/512@%2-8:f16",
        "576/512@20:",
        "576/512@20:f17",
        "576/512@20:f16#",
        "576/512@20:f16#0",
        "576/512@20,:f16",
        "x@20:f16",
        "576/512@20:f16#1#2",
    ],
)
def test_what_is_no_requirement_is_refused_with_the_syntax(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse(text)
    assert refused.value.hint


def test_a_cache_that_llama_cpp_cannot_make_is_refused() -> None:
    with pytest.raises(BadInput, match="keeps no q8_0 cache for head sizes 72"):
        parse("72@1:q8_0")


def test_a_requirement_holds_where_every_cell_runs() -> None:
    wanted = parse("576/512@20:f16#1")
    outcomes = {"L40S": {c: ran(c, mma(4, 4)) for c in wanted.cells}}
    assert unmet(wanted, outcomes) == ()


@pytest.mark.parametrize("bad", [FALLS_BACK, aborts("fattn.cu:76: fatal error")])
def test_one_cell_on_one_gpu_is_enough_to_fail(bad: CellOutcome) -> None:
    wanted = parse("576/512@16,20:f16#1")
    good = {c: ran(c, mma(4, 4)) for c in wanted.cells}
    failing = wanted.cells[-1]
    found = unmet(wanted, {"L40S": good, "T4": {**good, failing: bad}})
    assert [(u.gpu, u.cell, u.outcome) for u in found] == [("T4", failing, bad)]


def test_a_cell_that_was_not_examined_does_not_pass() -> None:
    wanted = parse("576/512@20:f16#1")
    with pytest.raises(BadInput, match="was not examined on L40S"):
        unmet(wanted, {"L40S": {}})
    with pytest.raises(BadInput, match="no GPU was examined"):
        unmet(wanted, {})


def test_it_may_be_about_some_cards_alone() -> None:
    assert parse("576/512@20:f16").gpus is None
    assert parse("576/512@20:f16 on V100, GTX 1080 Ti").gpus == ("V100", "GTX 1080 Ti")
    newer = parse("576/512@20:f16#1 on H200+").gpus
    assert newer is not None and newer[0] == "H200" and "V100" not in newer
    with pytest.raises(BadInput, match="Voodoo"):
        parse("576/512@20:f16 on Voodoo")


def test_a_card_that_it_is_not_about_may_do_what_it_likes() -> None:
    wanted = parse("576/512@20:f16#1 on L40S")
    good = {c: ran(c, mma(4, 4)) for c in wanted.cells}
    bad = dict.fromkeys(wanted.cells, FALLS_BACK)
    assert unmet(wanted, {"L40S": good, "V100": bad}) == ()
    assert {u.gpu for u in unmet(wanted, {"L40S": bad, "V100": good})} == {"L40S"}


def test_a_card_that_it_names_and_nobody_examined_does_not_pass() -> None:
    wanted = parse("576/512@20:f16#1 on L40S,V100")
    good = {c: ran(c, mma(4, 4)) for c in wanted.cells}
    with pytest.raises(BadInput, match="V100 was not examined"):
        unmet(wanted, {"L40S": good})


def test_what_is_known_to_fall_back_is_held_to_that() -> None:
    wanted = parse("576/512@20:f16#1 on V100 falls back")
    runs = {c: ran(c, mma(4, 4)) for c in wanted.cells}
    assert unmet(wanted, {"V100": dict.fromkeys(wanted.cells, FALLS_BACK)}) == ()
    assert len(unmet(wanted, {"V100": runs})) == len(wanted.cells)
    aborting = dict.fromkeys(wanted.cells, aborts("fattn.cu:76: fatal error"))
    assert len(unmet(wanted, {"V100": aborting})) == len(wanted.cells)


@pytest.mark.parametrize(
    "text",
    ["576/512@20:f16 on", "576/512@20:f16 falls", "576/512@20:f16 falls back on V100", "on V100"],
)
def test_what_is_said_of_cards_by_halves_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse(text)


def test_one_that_is_about_fewer_cards_or_says_another_thing_does_not_stand_for_another() -> None:
    everywhere, newer = parse("576/512@20:f16"), parse("576/512@20:f16 on T4+")
    one, falls_back = parse("576/512@20:f16 on L40S"), parse("576/512@20:f16 on L40S falls back")
    assert everywhere.says_as_much_of(newer) and newer.says_as_much_of(one)
    assert not newer.says_as_much_of(everywhere) and not one.says_as_much_of(newer)
    assert not falls_back.says_as_much_of(one) and not one.says_as_much_of(falls_back)
