"""Cards are asked for by name, in lists, or by the oldest sm that must be served."""

from __future__ import annotations

import pytest

from llamaproof.abi.device import DeviceCode
from llamaproof.errors import BadInput
from llamaproof.prove.cards import covered_cards, named
from llamaproof.shadow import parse_gpus


def code(*archs: str) -> DeviceCode:
    return DeviceCode(fatbins=1, archs=dict.fromkeys(archs, 1), kernels=0, attention=())


def test_a_list_is_taken_as_it_stands() -> None:
    assert [gpu.name for gpu in parse_gpus(["H200, T4", "l40s", "T4"])] == ["H200", "T4", "L40S"]


def test_a_plus_brings_one_card_of_each_newer_sm() -> None:
    sms = [gpu.sm for gpu in parse_gpus(["T4+"])]
    assert sms == [75, 80, 86, 87, 89, 90, 100, 103, 120, 121]
    assert parse_gpus(["H200+"])[0].name == "H200"


def test_a_card_that_is_not_known_is_refused() -> None:
    with pytest.raises(BadInput, match="Voodoo 2"):
        parse_gpus(["T4,Voodoo 2"])


def test_a_wheel_covers_what_its_machine_code_and_ptx_run_on() -> None:
    assert [gpu.sm for gpu in covered_cards(code("sm_89"))] == [89]
    assert [gpu.sm for gpu in covered_cards(code("compute_90"))] == [90, 100, 103, 120, 121]
    with pytest.raises(BadInput, match="no known card"):
        covered_cards(code("sm_50"))


def test_cards_in_words() -> None:
    assert named(parse_gpus(["T4,L40S"])) == "T4 (sm_75), L40S (sm_89)"
