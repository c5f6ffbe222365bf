"""Each card is led to the wheels whose code runs on it, and told what they ask of its driver."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llamaproof.index.drivers import driver_words
from llamaproof.index.finder import Choice, current_wheels, wheels_by_card
from llamaproof.index.model import Publication, PublishedWheel
from tests.support.index.publications import PUBLICATION, wheel_of

CU13, CU12 = PUBLICATION.variants


def publication(*wheels: PublishedWheel) -> Publication:
    return replace(PUBLICATION, wheels=wheels)


def built_for(wheel: PublishedWheel, *archs: str) -> PublishedWheel:
    return replace(wheel, facts=replace(wheel.facts, cuda_arch=archs))


def choices(found: Publication, card: str) -> list[Choice]:
    (row,) = (row for row in wheels_by_card(found) if card in row.cards)
    return list(row.choices)


def test_a_newer_cuda_comes_first_and_an_older_driver_finds_the_other() -> None:
    found = publication(wheel_of("cu120-sm89", "12.4"), wheel_of("cu130-sm89", "13.0"))
    assert [(c.variant.name, c.driver) for c in choices(found, "RTX 4090")] == [
        ("cu130-sm89", "driver 580 or newer"),
        ("cu120-sm89", "driver 525 or newer"),
    ]


def test_machine_code_comes_before_ptx_of_a_newer_cuda() -> None:
    ptx = built_for(wheel_of("cu130-sm89", "13.0"), "75-virtual")
    found = publication(ptx, wheel_of("cu120-sm89", "14.0"))
    assert [(c.variant.name, c.form) for c in choices(found, "L40S")] == [
        ("cu120-sm89", "machine code"),
        ("cu130-sm89", "PTX"),
    ]


def test_a_wheel_is_left_out_where_a_better_one_runs_on_drivers_as_old() -> None:
    ptx = built_for(wheel_of("cu130-sm89", "13.0"), "75-virtual")
    found = publication(ptx, wheel_of("cu120-sm89", "12.4"))
    assert [c.variant.name for c in choices(found, "L40S")] == ["cu120-sm89"]


def test_ptx_asks_for_the_driver_of_its_own_cuda() -> None:
    found = publication(built_for(wheel_of("cu120-sm89", "12.4"), "75-virtual"))
    (choice,) = choices(found, "L40S")
    assert choice.driver == "driver 550 or newer"


def test_a_card_that_no_evidence_speaks_of_is_not_called_proved() -> None:
    found = publication(wheel_of("cu130-sm89", "13.0"))
    assert [c.is_proved for c in choices(found, "L40S")] == [True]
    assert [(c.form, c.is_proved) for c in choices(found, "H200")] == [("PTX", False)]


def test_a_card_without_code_is_led_nowhere() -> None:
    found = publication(built_for(wheel_of("cu130-sm89", "13.0"), "89-real"))
    assert choices(found, "H200") == []
    assert choices(found, "P100") == []


def test_a_wheel_that_does_not_name_its_code_is_offered_to_the_promised_cards_alone() -> None:
    found = publication(built_for(wheel_of("cu130-sm89", "13.0")))
    assert [c.form for c in choices(found, "L40S")] == ["not said"]
    assert choices(found, "H200") == []


def test_a_yanked_wheel_is_offered_to_nobody() -> None:
    found = publication(wheel_of("cu130-sm89", "13.0", yanked="it aborts"))
    assert current_wheels(found, CU13) == ()
    assert choices(found, "L40S") == []


def test_the_highest_version_is_current() -> None:
    older = replace(wheel_of("cu130-sm89", "13.0"), version="0.3.16+llamaproof.9.cu130.sm89")
    newer = replace(older, version="0.3.16+llamaproof.10.cu130.sm89")
    assert current_wheels(publication(newer, older), CU13) == (newer,)


def test_of_each_platform_and_python_the_newest_is_current() -> None:
    older = wheel_of("cu130-sm89", "13.0")
    newer = replace(older, version="0.3.17", name="newer-cp310")
    python = replace(newer, name="newer-cp311")
    on_arm = replace(
        older, name="arm", facts=replace(older.facts, platforms=("manylinux_2_34_aarch64",))
    )
    lower = replace(
        newer, name="lower", facts=replace(older.facts, platforms=("manylinux_2_28_x86_64",))
    )
    found = publication(older, newer, python, on_arm, lower)
    assert current_wheels(found, CU13) == (newer, python, on_arm, lower)


@pytest.mark.parametrize(
    ("cuda", "compiles_ptx", "words"),
    [
        ("12.4", False, "driver 525 or newer"),
        ("12.4.1", True, "driver 550 or newer"),
        ("13.0", True, "driver 580 or newer"),
        ("13", True, "a driver for CUDA 13 or newer"),
        ("14.2", False, "a driver for CUDA 14.2 or newer"),
    ],
)
def test_what_is_not_known_of_a_driver_is_not_made_up(
    cuda: str, compiles_ptx: bool, words: str
) -> None:
    assert driver_words(cuda, compiles_ptx=compiles_ptx) == words
