"""Families of inputs are data: each says what it alone finds, and where it was met."""

from __future__ import annotations

import pytest

from llamaproof.attention.families import FAMILIES, FLAT, find_family
from llamaproof.errors import BadInput


def test_each_has_a_name_of_its_own_a_reason_and_a_source() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert all(family.reason and family.source for family in FAMILIES)


def test_one_is_found_by_its_name_and_another_word_is_refused_with_the_names() -> None:
    assert find_family("flat") is FLAT
    with pytest.raises(BadInput, match="no 'steep' inputs") as refused:
        find_family("steep")
    assert refused.value.hint == "one of: random, flat"
