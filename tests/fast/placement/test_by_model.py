"""What becomes of each familiar model, from the cells that were examined."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llamaproof.attention.cell import Cell
from llamaproof.attention.familiar_models import FAMILIAR_MODELS
from llamaproof.placement.by_model import (
    MODEL_CELLS,
    ModelAnswer,
    brief_models_table,
    models_table,
    place_models,
)
from llamaproof.placement.outcome import FALLS_BACK, CellOutcome, aborts

ON_GPU = CellOutcome(kind="kernel")


def outcomes(decide: Callable[[Cell], CellOutcome | None]) -> Mapping[str, dict[Cell, CellOutcome]]:
    """A card on which each model's cell meets with what is decided; None: not examined."""
    return {"L40S": {c: outcome for c in MODEL_CELLS if (outcome := decide(c)) is not None}}


def answers(decide: Callable[[Cell], CellOutcome | None]) -> dict[str, ModelAnswer]:
    return {each.model.name: each.answers["L40S"] for each in place_models(outcomes(decide))}


def test_every_model_runs_where_every_cell_does() -> None:
    found = answers(lambda _: ON_GPU)
    assert set(found) == {model.name for model in FAMILIAR_MODELS}
    assert {answer.text for answer in found.values()} == {"yes"}


def test_a_model_whose_cells_all_fall_back_is_on_the_cpu() -> None:
    found = answers(lambda cell: FALLS_BACK if cell.heads.k == 576 else ON_GPU)
    assert found["GLM-4.7-Flash"].text == "CPU"
    assert found["Llama 3 8B"].text == "yes"


def test_what_falls_back_in_part_says_where() -> None:
    by_layer = answers(lambda cell: FALLS_BACK if cell.heads.k == 512 else ON_GPU)
    assert by_layer["Gemma 4 12B"].text == "CPU (512@16)"
    by_tokens = answers(lambda cell: FALLS_BACK if cell.n_tokens == 512 else ON_GPU)
    assert by_tokens["GLM-4.7-Flash"].text == "CPU (576/512@20, 512 tokens)"
    by_depth = answers(lambda cell: FALLS_BACK if cell.n_kv > 4096 else ON_GPU)
    assert by_depth["GLM-4.7-Flash"].text == "CPU (576/512@20, n_kv 32768)"


def test_an_abort_outweighs_the_cpu_and_both_what_was_not_examined() -> None:
    def decide(cell: Cell) -> CellOutcome | None:
        if cell.n_tokens == 512:
            return aborts("fatal") if cell.n_kv > 4096 else FALLS_BACK
        return None

    assert answers(decide)["GLM-4.7-Flash"].kind == "abort"
    assert answers(lambda cell: FALLS_BACK if cell.n_tokens == 512 else None)[
        "GLM-4.7-Flash"
    ].text.startswith("CPU")


def test_what_was_not_examined_is_not_said_to_run() -> None:
    found = answers(lambda cell: ON_GPU if cell.n_tokens == 1 else None)
    assert found["GLM-4.7-Flash"].text == "not examined (576/512@20, 512 tokens)"
    only_128 = answers(lambda cell: ON_GPU if cell.heads.k == 128 else None)
    assert "GLM-4.7-Flash" not in only_128 and only_128["Llama 3 8B"].text == "yes"


def test_the_tables_have_each_model_once_and_what_fails_first() -> None:
    placed = place_models(outcomes(lambda c: FALLS_BACK if c.heads.k == 576 else ON_GPU))
    for table, column in ((models_table(placed), 0), (brief_models_table(placed), -1)):
        rows = [tuple(map(str, row)) for row in table.rows]
        names = [name for row in rows for name in row[column].split("; ")]
        assert sorted(names) == sorted(model.name for model in FAMILIAR_MODELS)
        assert "CPU" in rows[0] and "GLM-4.7-Flash" in rows[0][column]
    assert models_table(placed).rows[0][1] == "576/512@16,20,64,128"
    assert len(brief_models_table(placed).rows) == 2
