"""What is executed under stress is data: each entry with a reason, and what is left out too."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof import shadow
from llamaproof.attention.families import all_families
from llamaproof.errors import BadInput
from llamaproof.prove.stress import FILE, load_stress

RUNS = load_stress().runs


def test_every_family_is_executed_for_a_reason() -> None:
    assert {run.family.name for run in RUNS} == {family.name for family in all_families()}
    assert all(len(reason) > 15 for run in RUNS for reason in run.reasons)
    assert all(len(left.reason) > 15 for left in load_stress().left_out)


def test_several_streams_other_layouts_types_and_sizes_are_among_them() -> None:
    cells = [cell for run in RUNS for cell in run.cells]
    assert {cell.n_streams for cell in cells} == {1, 2, 4, 8}
    assert {cell.layout for cell in cells} == {"", "V first of K", "V apart"}
    assert any(cell.types == "f16/q8_0" for cell in cells)
    sizes = {"40", "72", "88", "96", "112", "192/128", "320/256", "512"}
    assert sizes <= {str(cell.heads) for cell in cells}


def test_cells_have_what_their_family_asks_for() -> None:
    of_sinks = next(run for run in RUNS if run.family.name == "sinks")
    assert all(cell.extras.sinks for cell in of_sinks.cells)


def test_a_long_context_is_reached_with_few_multiprocessors() -> None:
    flat = next(run for run in RUNS if run.family.name == "flat")
    card = shadow.find_gpu("L40S")
    assert flat.on(card).multiprocessors == 1 and flat.on(card).name == card.name
    # Past f16's range where one block sums up the whole of it.
    assert all(cell.n_kv * flat.family.recipe.size > 65504 for cell in flat.cells)


@pytest.mark.parametrize(
    "change",
    [
        ('inputs = "flat"', ""),
        ("tokens = [35]", "token = [35]"),
        ('inputs = "flat"', 'inputs = "x"'),
    ],
)
def test_what_is_not_understood_whole_is_refused(change: tuple[str, str], tmp_path: Path) -> None:
    file = tmp_path / "stress.toml"
    file.write_text(FILE.read_text().replace(*change, 1))
    with pytest.raises(BadInput):
        load_stress(file)
