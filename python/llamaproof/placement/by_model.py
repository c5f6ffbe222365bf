"""Does the attention of the models that people run, run on the GPU? Read off examined cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llamaproof.attention.cell import Cell
from llamaproof.attention.familiar_models import FAMILIAR_MODELS, FamiliarModel
from llamaproof.placement.outcome import ORDER, CellOutcome, Kind
from llamaproof.reports.blocks import Table, Tone, Toned
from llamaproof.reports.grouping import grouped

# The nodes that these models ask for, with f16 K and V.
MODEL_CELLS: frozenset[Cell] = frozenset(
    cell for model in FAMILIAR_MODELS for cell in model.cells()
)

_WORDS: dict[Kind | None, str] = {
    "kernel": "yes",
    "cpu": "CPU",
    "abort": "aborts",
    None: "not examined",
}
_TONES: dict[Kind | None, Tone] = {"kernel": "good", "cpu": "bad", "abort": "worst", None: "open"}


@dataclass(frozen=True, kw_only=True)
class ModelAnswer:
    """What becomes of a model's attention on one card.

    Attributes:
        kind: the worst that becomes of any of its cells; None where some were not examined and
            the others run on the GPU.
        where: the layers and numbers of tokens that this is said of; empty for all of them.
    """

    kind: Kind | None
    where: str

    @property
    def text(self) -> str:
        """`yes`, `CPU`, `aborts` or `not examined`, and where, unless everywhere."""
        return _WORDS[self.kind] + (f" ({self.where})" if self.where else "")

    @property
    def toned(self) -> Toned:
        """The same with its tone."""
        return Toned(self.text, _TONES[self.kind])


@dataclass(frozen=True, kw_only=True)
class ModelPlacement:
    """What becomes of a model's attention, by card."""

    model: FamiliarModel
    answers: Mapping[str, ModelAnswer]

    @property
    def is_on_gpu(self) -> bool:
        """Whether all of it runs on the GPU of every card."""
        return all(answer.kind == "kernel" for answer in self.answers.values())

    def json(self) -> dict[str, Any]:
        """A member of the list `models` of the evidence."""
        return {
            "name": self.model.name,
            "config": self.model.config,
            "shape": self.model.shape,
            "cards": {
                gpu: {"attention": _WORDS[answer.kind], "where": answer.where}
                for gpu, answer in self.answers.items()
            },
        }


def place_models(
    outcomes: Mapping[str, Mapping[Cell, CellOutcome]],
) -> tuple[ModelPlacement, ...]:
    """The answer for each familiar model of which any cell was examined, by card.

    Args:
        outcomes: of the cells that were examined, by card.
    """
    examined = {cell for by_cell in outcomes.values() for cell in by_cell}
    return tuple(
        ModelPlacement(
            model=model,
            answers={gpu: _answer(model, by_cell) for gpu, by_cell in outcomes.items()},
        )
        for model in FAMILIAR_MODELS
        if examined.intersection(model.cells())
    )


def models_table(placed: Sequence[ModelPlacement]) -> Table:
    """A row for models with the same head sizes and the same answers, a column for each card.

    The models whose attention is not on the GPU come first.
    """
    rows = grouped(
        ((_sizes(each.model), _toned(each)), each.model) for each in _worst_first(placed)
    )
    return Table(
        head=("model", "head sizes@ratio", *_cards(placed)),
        rows=[(_names(models), _shapes(models), *answers) for (_, answers), models in rows.items()],
    )


def brief_models_table(placed: Sequence[ModelPlacement]) -> Table:
    """The same in few lines: a row for all models with the same answers."""
    rows = grouped((_toned(each), each.model) for each in _worst_first(placed))
    return Table(
        title="Does attention run on the GPU, with f16 K and V?",
        head=(*_cards(placed), "models"),
        rows=[(*answers, _names(models)) for answers, models in rows.items()],
    )


def _answer(model: FamiliarModel, outcomes: Mapping[Cell, CellOutcome]) -> ModelAnswer:
    """The worst of a model's cells, and which of its layers and tokens meet with it."""
    found = {
        (str(layer), cell.n_tokens, cell.n_kv): outcomes[cell].kind if cell in outcomes else None
        for layer in model.layers
        for cell in layer.cells()
    }
    # What was not examined may run or not: it outweighs what runs.
    order: tuple[Kind | None, ...] = (*(kind for kind in ORDER if kind != "kernel"), None, "kernel")
    worst = next(kind for kind in order if kind in found.values())
    met = [key for key, kind in found.items() if kind == worst]
    if len(met) == len(found):
        return ModelAnswer(kind=worst, where="")
    layers = dict.fromkeys(layer for layer, _, _ in met)
    return ModelAnswer(kind=worst, where="; ".join(_where(name, met, found) for name in layers))


_Key = tuple[str, int, int]


def _where(layer: str, met: Sequence[_Key], asked: Mapping[_Key, Kind | None]) -> str:
    """`512@16`, or where it is not all of that layer `512@16, 1 token, n_kv 4096`."""
    own = [key for key in met if key[0] == layer]
    whole = [key for key in asked if key[0] == layer]
    words = [layer]
    for axis, unit in ((1, "{} tokens"), (2, "n_kv {}")):
        values = sorted({key[axis] for key in own})
        if values != sorted({key[axis] for key in whole}):
            words.append(unit.format(" and ".join(map(str, values))))
    return ", ".join(words)


def _worst_first(placed: Sequence[ModelPlacement]) -> Sequence[ModelPlacement]:
    return sorted(placed, key=lambda each: each.is_on_gpu)


def _toned(placed: ModelPlacement) -> tuple[Toned, ...]:
    return tuple(answer.toned for answer in placed.answers.values())


def _cards(placed: Sequence[ModelPlacement]) -> tuple[str, ...]:
    return tuple(placed[0].answers) if placed else ()


def _names(models: Sequence[FamiliarModel]) -> str:
    return "; ".join(model.name for model in models)


def _sizes(model: FamiliarModel) -> str:
    """What models share a row by: head sizes of one kind of layer, or the shape of several."""
    if len(model.layers) > 1:
        return model.shape
    (layer,) = model.layers
    return f"{layer.heads} {layer.extras}"


def _shapes(models: Sequence[FamiliarModel]) -> str:
    """`576/512@16,20,64,128`: the ratios of models with the same head sizes."""
    if len(models[0].layers) > 1:
        return models[0].shape
    layers = [layer for model in models for layer in model.layers]
    ratios = ",".join(map(str, sorted({layer.gqa_ratio for layer in layers})))
    extras = f" with {layers[0].extras}" if str(layers[0].extras) else ""
    return f"{layers[0].heads}@{ratios}{extras}"
