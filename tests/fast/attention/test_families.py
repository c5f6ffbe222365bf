"""Families of inputs are data: each says what it alone finds, and where it was met."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof.attention import families
from llamaproof.attention.cell import HeadSizes, make_cell
from llamaproof.attention.families import RANDOM, all_families, find_family
from llamaproof.errors import BadInput
from llamaproof.ggml import GgmlType


def test_each_has_a_name_of_its_own_says_what_it_finds_and_a_source() -> None:
    assert len({family.name for family in all_families()}) == len(all_families())
    assert all(family.finds and family.source for family in all_families())
    assert all_families()[0] is RANDOM


def test_one_is_found_by_its_name_and_another_word_is_refused_with_the_names() -> None:
    assert find_family("flat").recipe.size == 300
    with pytest.raises(BadInput, match="no 'steep' inputs") as refused:
        find_family("steep")
    assert "random, flat, peak" in refused.value.hint


def test_a_family_of_sinks_asks_for_a_node_with_sinks() -> None:
    cell = make_cell(HeadSizes(k=64, v=64), GgmlType.F16, GgmlType.F16, 4, 1, 256)
    assert find_family("sinks").fitted(cell).extras.sinks
    assert find_family("softcap").fitted(cell).extras.softcap == 50
    assert find_family("flat").fitted(cell) == cell


@pytest.mark.parametrize(
    "entry",
    ['finds = "x"\nsource = "y"', 'name = "n"\nfinds = "x"\nsource = "y"\nvalues = "odd"',
     'name = "n"\nfinds = "x"\nsource = "y"\nsizes = 3'],
)  # fmt: skip
def test_what_is_not_understood_whole_is_refused(
    entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "families.toml"
    file.write_text(f'schema = "llamaproof.families"\nversion = 1\n[[family]]\n{entry}\n')
    monkeypatch.setattr(families, "FILE", file)
    all_families.cache_clear()
    with pytest.raises(BadInput):
        all_families()
    monkeypatch.undo()
    all_families.cache_clear()
