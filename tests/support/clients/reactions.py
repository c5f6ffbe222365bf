"""What each client makes of an index in which something was planted, in words and as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from llamaproof.process import Completed
from tests.support.clients.counter import PROJECT, SM89, Counter, spoilt_copy
from tests.support.clients.programs import NAMES, Program, empty_environment, version_in
from tests.support.clients.usual_index import NEWER

Plant = Callable[[Counter], None]

# What a client says where it installs nothing, and what that comes to.
_SIGNS = (
    ("do not match the hashes", "refuses: hash"),
    ("hash mismatch", "refuses: hash"),
    ("does not match filename", "refuses: name"),
    ("inconsistent version", "refuses: name"),
    ("inconsistent requires-dist", "refuses: METADATA"),
    ("no versions of llama-cpp-python", "finds none"),
    ("no version of llama-cpp-python==", "finds none"),
    ("was yanked", "finds none"),
    ("satisfies the requirement llama-cpp-python==1.0+", "finds none"),
)


def row(counter: Counter, plant: Plant | None, folder: Path, *, pinned: bool) -> tuple[str, ...]:
    """What was planted in a copy of the index, and what came of it for each client."""
    with spoilt_copy(counter, folder) as copy:
        if plant is not None:
            plant(copy)
        came_of_it = (
            _try_out(copy, name, folder / name.replace(" ", "-"), pinned=pinned) for name in NAMES
        )
        return (title_of(plant), *came_of_it)


def title_of(plant: Plant | None) -> str:
    """What is planted, in the words of its docstring."""
    return "nothing" if plant is None else (plant.__doc__ or "")


def as_markdown(rows: Iterable[tuple[str, ...]]) -> str:
    """Lines of a table, each with its end."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _try_out(counter: Counter, name: str, folder: Path, *, pinned: bool) -> str:
    """Install from the variant's index, beside the usual one, into an empty environment."""
    folder.mkdir(parents=True)
    program = Program(name=name, home=folder, usual=counter.usual)
    python = empty_environment(folder / "environment")
    option = "--index" if program.is_uv else "--extra-index-url"
    asked = f"{PROJECT}=={counter.offered_version}" if pinned else PROJECT
    said = program.install(python, option, counter.simple(SM89), asked)
    return _words(said, version_in(python), counter.wheel(SM89).version)


def _words(said: Completed, installed: str, ours: str) -> str:
    text = said.output.lower()
    if installed == ours:
        planted = " and what was planted" if "trap" in text else ""
        warned = ", and warns" if "yanked" in text else ""
        return f"installs it{planted}{warned}"
    if installed == NEWER:
        return f"takes {NEWER} from the usual index"
    assert installed == "" and said.returncode != 0, said.output
    (why,) = {why for sign, why in _SIGNS if sign in text}
    return why
