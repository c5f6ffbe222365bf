"""Reading demands.toml: what is not understood whole is refused in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from llamaproof import shadow
from llamaproof.dispatch import requirement
from llamaproof.errors import BadInput
from llamaproof.prove.cards import parse_cards
from llamaproof.prove.demands import MAY_BE_LEFT_OUT, Cards, Demand, Demands
from llamaproof.reports.document import Schema, expect
from llamaproof.toml import read_toml

SCHEMA = Schema(name="llamaproof.demands", version=1)
DEFAULT_FILE = Path(__file__).with_name("demands.toml")
DEFAULT_PROFILE = "default"

_Text = TypeVar("_Text")
_Value = TypeVar("_Value")


def load_demands(named: str = DEFAULT_PROFILE) -> Demands:
    """The demands of a profile of llamaproof's own (`NAME`), or of a file (`FILE`, `FILE:NAME`).

    Raises:
        BadInput: there is no such profile or file, or the file is not understood whole.
    """
    match = re.fullmatch(r"(?P<file>.+\.toml)(?::(?P<profile>.+))?", named)
    if match is None:
        return _read(DEFAULT_FILE, named)
    return _read(Path(match["file"]), match["profile"] or DEFAULT_PROFILE)


def _read(path: Path, profile: str) -> Demands:
    """One profile; every other of the file must be sound too."""
    document = read_toml(path, "the demands")
    expect(document, SCHEMA, where=path, hint=f"compare it with {DEFAULT_FILE.name} of llamaproof")
    top = _Table(document, path, "the file")
    profiles = top.table("profile")
    top.end("schema", "version")
    tables = {name: profiles.table(name, f"profile.{name}") for name in profiles.names}
    if DEFAULT_PROFILE not in tables:
        raise top.bad(f"has no profile {DEFAULT_PROFILE!r}, which completes the others")
    found = {name: _demands(name, own, tables[DEFAULT_PROFILE]) for name, own in tables.items()}
    if profile not in found:
        raise BadInput(
            f"there are no demands for {profile!r}",
            where=path,
            hint=f"there are demands for: {', '.join(found)}",
        )
    return found[profile]


def _demands(name: str, own: _Table, default: _Table) -> Demands:
    table = own.completed_by(default)
    demands = Demands(
        profile=name,
        reason=own.text("reason"),
        work=_demand(table.table("work"), "card", shadow.find_gpu),
        require=tuple(_demand(t, "cells", requirement.parse) for t in table.tables("require")),
        cards=_cards(table, "cards"),
        numbers=_cards(table, "numbers"),
        against=_demand(table.table("against"), "target", str) if "against" in table else None,
        without=tuple(_demand(t, "proof", _proof) for t in table.tables("without")),
    )
    table.end("reason")
    if demands.contradiction:
        raise table.bad(f"contradicts itself: {demands.contradiction}")
    return demands


def _demand(table: _Table, key: str, parse: Callable[[str], _Value]) -> Demand[_Value]:
    """An entry with a value and its reason, and nothing more."""
    demand = Demand(value=table.parsed(key, parse, table.text(key)), reason=table.text("reason"))
    table.end()
    return demand


def _cards(table: _Table, key: str) -> Cards | None:
    if key not in table:
        return None
    entry = table.table(key)
    cards = entry.parsed("names", parse_cards, entry.texts("names"))
    demand = Demand(value=cards, reason=entry.text("reason"))
    entry.end()
    return demand


def _proof(name: str) -> str:
    if name not in MAY_BE_LEFT_OUT:
        raise BadInput(
            f"{name!r} is no proof that may be left out",
            hint=f"these may be: {', '.join(MAY_BE_LEFT_OUT)}",
        )
    return name


class _Table:
    """A table of the file, read entry by entry, so that what nobody reads is found."""

    def __init__(self, values: Mapping[str, Any], path: Path, place: str) -> None:
        self._values = values
        self._path = path
        self._place = place
        self._read: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._values)

    def completed_by(self, other: _Table) -> _Table:
        """This, with the entries of another where it has none."""
        return _Table({**other._values, **self._values}, self._path, self._place)

    def bad(self, what: str, hint: str = "") -> BadInput:
        return BadInput(f"{self._place} {what}", where=self._path, hint=hint)

    def text(self, key: str) -> str:
        return self._typed(key, self._value(key), "a text that says something")

    def texts(self, key: str) -> list[str]:
        values = self._value(key)
        if not isinstance(values, list) or not values:
            raise self.bad(f"has {key} = {values!r}: it must be a list of texts")
        return [self._typed(key, value, "a list of texts") for value in values]

    def parsed(self, key: str, parse: Callable[[_Text], _Value], text: _Text) -> _Value:
        """What a text says; where it says nothing, the error names its place."""
        try:
            return parse(text)
        except BadInput as error:
            raise self.bad(f"has {key} = {text!r}: {error.what}", error.hint) from error

    def table(self, key: str, place: str = "") -> _Table:
        return self._as_table(key, self._value(key), place or f"{self._place}, {key}")

    def tables(self, key: str) -> Iterator[_Table]:
        """Those of an array of tables; none where the entry is not there."""
        values = self._value(key) if key in self else []
        if not isinstance(values, list):
            raise self.bad(f"has {key} = {values!r}: it must be a list of tables, [[...{key}]]")
        for number, value in enumerate(values, start=1):
            yield self._as_table(key, value, f"{self._place}, {key} {number}")

    def end(self, *known: str) -> None:
        """Refuse what was not read, and is not `known` to be read elsewhere."""
        unknown = [key for key in self._values if key not in self._read.union(known)]
        if unknown:
            raise self.bad(
                f"has an entry that is not known: {', '.join(unknown)}",
                hint=f"the entries are explained in llamaproof's own {DEFAULT_FILE.name}",
            )

    def _value(self, key: str) -> Any:
        self._read.add(key)
        if key not in self._values:
            raise self.bad(f"has no {key}")
        return self._values[key]

    def _typed(self, key: str, value: object, words: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.bad(f"has {key} = {value!r}: it must be {words}")
        return value

    def _as_table(self, key: str, value: object, place: str) -> _Table:
        if not isinstance(value, dict):
            raise self.bad(f"has {key} = {value!r}: it must be a table")
        return _Table(value, self._path, place)
