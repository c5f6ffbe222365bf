"""One proof's place in the evidence: what came of it, in a word, in a line, and in full."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from llamaproof.errors import DEFECT, HOLDS, NOT_CHECKED, LlamaproofError


class Outcome(str, Enum):
    """What a proof came to.

    `left out`: on request. `nothing to prove`: the wheel has nothing of what the proof is about.
    """

    HOLDS = "holds"
    DEFECT = "a defect was found"
    NOT_CHECKED = "could not be checked"
    LEFT_OUT = "left out"
    NOTHING = "nothing to prove"

    @property
    def exit_code(self) -> int:
        return {Outcome.DEFECT: DEFECT, Outcome.NOT_CHECKED: NOT_CHECKED}.get(self, HOLDS)


@dataclass(frozen=True, kw_only=True)
class Section:
    """A proof that was made, or why it was not.

    Attributes:
        name: of the proof in the JSON: `abi`, `dispatch`, `numbers` or `work`.
        title: for people.
        words: what it says, in one line.
        document: the whole of it, for JSON; None where there is nothing.
        html: the whole of it, as part of a page; may be empty.
    """

    name: str
    title: str
    outcome: Outcome
    words: str
    document: Mapping[str, Any] | None = None
    html: str = ""

    def json(self) -> dict[str, Any]:
        return {"outcome": self.outcome.value, "words": self.words, "proof": self.document}


def outcome_of(exit_code: int) -> Outcome:
    """The outcome that an exit code stands for."""
    if exit_code == HOLDS:
        return Outcome.HOLDS
    return Outcome.DEFECT if exit_code == DEFECT else Outcome.NOT_CHECKED


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """A defect outweighs what could not be checked, which outweighs what holds."""
    found = set(outcomes)
    return next((o for o in (Outcome.DEFECT, Outcome.NOT_CHECKED) if o in found), Outcome.HOLDS)


def guarded(name: str, title: str, make: Callable[[], Section]) -> Section:
    """A section, also where making it fails: evidence of one proof does not end with another's."""
    try:
        return make()
    except LlamaproofError as error:
        lines = (line.strip() for line in str(error).splitlines())
        return Section(
            name=name,
            title=title,
            outcome=outcome_of(error.exit_code),
            words="; ".join(line for line in lines if line),
        )
