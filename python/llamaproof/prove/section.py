"""One proof's place in the evidence: what came of it, in a word, in a line, and in full."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llamaproof.errors import LlamaproofError
from llamaproof.placement.by_model import ModelPlacement
from llamaproof.prove.proof_versions import version_of
from llamaproof.reports.blocks import Block
from llamaproof.reports.outcome import Outcome, of_exit_code


@dataclass(frozen=True, kw_only=True)
class Section:
    """A proof that was made, or why it was not.

    Attributes:
        name: of the proof in the JSON: `abi`, `dispatch`, `numbers` or `work`.
        title: for people.
        words: what it says, in one line.
        document: the whole of it, for JSON; None where there is nothing.
        blocks: the whole of it, as a page; may be empty.
        answer: what it says to a user's first question, for the page's first screen.
        models: what becomes of familiar models.
    """

    name: str
    title: str
    outcome: Outcome
    words: str
    document: Mapping[str, Any] | None = None
    blocks: tuple[Block, ...] = ()
    answer: tuple[Block, ...] = ()
    models: tuple[ModelPlacement, ...] = ()

    def json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome.value,
            "proof_version": version_of(self.name),
            "words": self.words,
            "proof": self.document,
        }


def guarded(name: str, title: str, make: Callable[[], Section]) -> Section:
    """A section, also where making it fails: evidence of one proof does not end with another's."""
    try:
        return make()
    except LlamaproofError as error:
        lines = (line.strip() for line in str(error).splitlines())
        return Section(
            name=name,
            title=title,
            outcome=of_exit_code(error.exit_code),
            words="; ".join(line for line in lines if line),
        )
