"""The little language of `--require`: which cells must run on the GPU.

    DKQ[/DV] @ RATIO[,RATIO...] : TYPE[,TYPE...] [ # TOKENS[,TOKENS...] ] [ * STREAMS[,STREAMS...] ]
        [ on CARD[,CARD...] ] [ falls back ]

- `576/512` head sizes of Q and K, and of V; `128` for both.
- RATIO is a number, or `%N` for every multiple of N up to 128; `%1` is every ratio.
- TYPE is a K/V type as ggml names it (`f16`, `q8_0`), or `K/V` where the two differ.
- TOKENS are lengths of the ubatch; without them, 1, 2, 4, 8, 64 and 512.
- STREAMS are numbers of sequences with a cache of their own; without them, one.
- CARD is a GPU's name, or `T4+` for a card of T4's sm and of each newer one; without it, every GPU
  that is examined.
- `falls back` at the end says the opposite: that these cells run on the CPU, so that whoever reads
  the evidence is told, and a change does not go unseen.

Each is asked with a causal mask at two depths of context.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llamaproof import shadow
from llamaproof.attention.cell import Cell, HeadSizes, can_be_cached, make_cell
from llamaproof.attention.grid import DEEP, DEFAULT_N_TOKENS, MAX_RATIO, SHALLOW
from llamaproof.errors import BadInput
from llamaproof.ggml import GgmlType
from llamaproof.placement.outcome import CellOutcome, Kind

SYNTAX = (
    "DKQ[/DV]@RATIO[,RATIO|FIRST-LAST|%N]:TYPE[,TYPE][#TOKENS][*STREAMS][ on CARD[,CARD]]"
    "[ falls back]"
)
_HINT = (
    f"write {SYNTAX}, as in 576/512@20:f16, 576/512@2-128:f16,q8_0, 128@%4:f16, "
    "128@4,8:f16#1,512 or 128@8:f16 on T4+"
)

_FALLS_BACK = " falls back "
_REQUIREMENT = re.compile(
    r"(?P<heads>[\d/]+)@(?P<ratios>[\d,%-]+):(?P<types>[\w,/]+)(?:#(?P<tokens>[\d,]+))?"
    r"(?:\*(?P<streams>[\d,]+))?"
)


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """Cells and what must become of them.

    Attributes:
        text: as it was written.
        gpus: names of the cards that it is about; None for every one that is examined.
        kind: `kernel` where they must run on the GPU, `cpu` where it is stated that they do not.
    """

    text: str
    cells: tuple[Cell, ...]
    gpus: tuple[str, ...] | None = None
    kind: Kind = "kernel"

    def says_as_much_of(self, other: Requirement) -> bool:
        """Whether it is about every card that another is about, and asks for the same."""
        if self.gpus is None or other.gpus is None:
            return self.gpus is None and self.kind == other.kind
        return self.kind == other.kind and set(other.gpus) <= set(self.gpus)


@dataclass(frozen=True, kw_only=True)
class Unmet:
    """A cell of which something else became than was required."""

    requirement: Requirement
    gpu: str
    cell: Cell
    outcome: CellOutcome


def parse(text: str) -> Requirement:
    """Read one requirement.

    Raises:
        BadInput: it is none, or asks for a cache that llama.cpp cannot make.
    """
    asked, fallback, rest = f"{text} ".partition(_FALLS_BACK)
    cells_text, on, cards = asked.strip().partition(" on ")
    match = None if rest.strip() else _REQUIREMENT.fullmatch(cells_text.replace(" ", ""))
    if match is None:
        raise BadInput(f"no requirement: {text!r}", hint=_HINT)
    heads = HeadSizes.parse(match["heads"])
    ratios = _ratios(match["ratios"], text)
    tokens = _numbers(match["tokens"], text) if match["tokens"] else DEFAULT_N_TOKENS
    streams = _numbers(match["streams"], text) if match["streams"] else (1,)
    cells = tuple(
        replace(make_cell(heads, type_k, type_v, ratio, n_tokens, n_kv), n_streams=n_streams)
        for n_streams in streams
        for type_k, type_v in _types(match["types"], heads, text)
        for ratio in ratios
        for n_tokens in tokens
        for n_kv in (SHALLOW, DEEP)
    )
    return Requirement(
        text=text,
        cells=cells,
        gpus=tuple(gpu.name for gpu in shadow.parse_gpus([cards])) if on else None,
        kind="cpu" if fallback else "kernel",
    )


def unmet(
    requirement: Requirement, outcomes_by_gpu: Mapping[str, Mapping[Cell, CellOutcome]]
) -> tuple[Unmet, ...]:
    """The cells of a requirement that do not do, on one of its GPUs, what it says.

    Raises:
        BadInput: a cell or a GPU was not examined: the requirement cannot be judged.
    """
    gpus = tuple(outcomes_by_gpu) if requirement.gpus is None else requirement.gpus
    if not outcomes_by_gpu or not set(gpus) <= set(outcomes_by_gpu):
        which = ", ".join(gpu for gpu in gpus if gpu not in outcomes_by_gpu) or "no GPU"
        was = "was not" if gpus else "was"
        raise BadInput(f"{which} {was} examined, so {requirement.text} cannot be judged")
    found = []
    for gpu in gpus:
        for cell in requirement.cells:
            outcome = outcomes_by_gpu[gpu].get(cell)
            if outcome is None:
                raise BadInput(f"{cell} was not examined on {gpu}", where=requirement.text)
            if outcome.kind != requirement.kind:
                found.append(Unmet(requirement=requirement, gpu=gpu, cell=cell, outcome=outcome))
    return tuple(found)


def requirements_json(
    requirements: Sequence[Requirement], failures: Sequence[Unmet]
) -> list[dict[str, Any]]:
    """Each requirement, whether it holds, and the cells where it does not."""
    return [
        {
            "requirement": requirement.text,
            "holds": not any(u.requirement == requirement for u in failures),
            "unmet": [
                {"gpu": u.gpu, "cell": str(u.cell), "outcome": u.outcome.text}
                for u in failures
                if u.requirement == requirement
            ],
        }
        for requirement in requirements
    ]


def _ratios(text: str, whole: str) -> tuple[int, ...]:
    found = {ratio for part in text.split(",") for ratio in _ratios_of_part(part, whole)}
    if not found:
        raise BadInput(f"no ratio up to {MAX_RATIO} in {whole!r}", hint=_HINT)
    return tuple(sorted(found))


def _ratios_of_part(part: str, whole: str) -> range:
    """`20`, `%4` for its multiples, or `2-128` with both ends."""
    if part.startswith("%"):
        step = _number(part.removeprefix("%"), whole)
        return range(step, MAX_RATIO + 1, step)
    first, dash, last = part.partition("-")
    lowest = _number(first, whole)
    highest = _number(last, whole) if dash else lowest
    if highest < lowest:
        raise BadInput(f"{part!r} counts backwards in {whole!r}", hint=_HINT)
    if highest > MAX_RATIO and dash:
        raise BadInput(f"{part!r} goes beyond ratio {MAX_RATIO} in {whole!r}", hint=_HINT)
    return range(lowest, highest + 1)


def _types(text: str, heads: HeadSizes, whole: str) -> tuple[tuple[GgmlType, GgmlType], ...]:
    found = []
    for part in text.split(","):
        k, _, v = part.partition("/")
        pair = (GgmlType.parse(k), GgmlType.parse(v or k))
        if not can_be_cached(heads, *pair):
            raise BadInput(
                f"llama.cpp keeps no {part} cache for head sizes {heads}",
                where=whole,
                hint="a head must be a whole number of the type's blocks of 32; ask for f16",
            )
        found.append(pair)
    return tuple(found)


def _numbers(text: str, whole: str) -> tuple[int, ...]:
    return tuple(_number(part, whole) for part in text.split(","))


def _number(text: str, whole: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise BadInput(f"{text!r} is no positive number in {whole!r}", hint=_HINT)
    return int(text)
