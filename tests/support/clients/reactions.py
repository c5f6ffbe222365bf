"""What each client makes of an index in which something was planted, in words and as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llamaproof.process import Completed
from tests.support.clients.counter import PLANTED, PROJECT, SM89, Counter, spoilt_copy
from tests.support.clients.programs import NAMES, Program, empty_environment, version_in
from tests.support.clients.usual_index import NEWER

PINNED, OPEN = "with ==", "without"
HEAD = ("what is planted", *(f"{name}, {how}" for name in NAMES for how in (PINNED, OPEN)))
SOUND = "nothing"


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One client before one index.

    Attributes:
        words: what came of it.
        said: what the client printed.
    """

    words: str
    said: Completed


def try_out(counter: Counter, name: str, how: str, folder: Path) -> Tried:
    """Install from the variant's index, beside the usual one, into an empty environment."""
    folder.mkdir(parents=True)
    program = Program(name=name, home=folder / "home", usual=counter.usual)
    program.home.mkdir()
    python = empty_environment(folder / "environment")
    wheel = counter.wheel(SM89)
    asked = f"{PROJECT}=={wheel.version}" if how == PINNED else PROJECT
    option = "--index" if program.is_uv else "--extra-index-url"
    said = program.install(python, option, counter.simple(SM89), asked)
    return Tried(words=_words(said, version_in(python), wheel.version), said=said)


def row(counter: Counter, plant: Callable[[Counter], None] | None, folder: Path) -> tuple[str, ...]:
    """A row of the table: each client, pinned and not, before an index with one thing planted."""
    folder.mkdir(parents=True)
    with spoilt_copy(counter, folder) as copy:
        if plant is not None:
            plant(copy)
        tried = (
            try_out(copy, name, how, folder / f"{name}-{how}".replace(" ", "-"))
            for name in NAMES
            for how in (PINNED, OPEN)
        )
        return (title_of(plant), *(one.words for one in tried))


def rows(counter: Counter, folder: Path) -> Iterator[tuple[str, ...]]:
    """The whole table; an index in which nothing is planted comes first."""
    for plant in (None, *PLANTED):
        yield row(counter, plant, folder / title_of(plant).replace(" ", "-"))


def title_of(plant: Callable[[Counter], None] | None) -> str:
    return SOUND if plant is None else (plant.__doc__ or "")


def as_markdown(table: list[tuple[str, ...]]) -> str:
    lines = [HEAD, ("---",) * len(HEAD), *table]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _words(said: Completed, installed: str, ours: str) -> str:
    text = said.output.lower()
    if installed == ours:
        planted = " with what was planted" if "trap" in text else ""
        warned = ", warns" if "yanked" in text else ""
        return f"installs it{planted}{warned}"
    if installed == NEWER:
        return f"takes {NEWER} of the other index"
    assert installed == "" and said.returncode != 0, said.output
    if "hash" in text and ("do not match" in text or "mismatch" in text):
        return "refuses: hash"
    if "does not match filename" in text or "inconsistent version" in text:
        return "refuses: name"
    return "finds none"
