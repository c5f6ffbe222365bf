"""Data that people write, read from TOML."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from llamaproof.errors import BadInput

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


_Text = TypeVar("_Text")
_Value = TypeVar("_Value")


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The tables of a file.

    Args:
        what: the file is, for the message.

    Raises:
        BadInput: it cannot be read, or is no TOML.
    """
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{what} cannot be read: {error}", where=path) from error
    return tables


class Table:
    """A table of a file, read entry by entry, so that what nobody reads is found."""

    def __init__(self, values: Mapping[str, Any], path: Path, place: str, *, hint: str) -> None:
        """The tables below it are read from it.

        Args:
            place: in the file, for messages.
            hint: where an entry that is not known is explained.
        """
        self._values = values
        self._path = path
        self._place = place
        self._hint = hint
        self._read: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._values)

    def completed_by(self, other: Table) -> Table:
        """This, with the entries of another where it has none."""
        values = {**other._values, **self._values}
        return Table(values, self._path, self._place, hint=self._hint)

    def bad(self, what: str, hint: str = "") -> BadInput:
        return BadInput(f"{self._place} {what}", where=self._path, hint=hint)

    def text(self, key: str) -> str:
        return self._typed(key, self._value(key), "a text that says something")

    def texts(self, key: str) -> list[str]:
        values = self._value(key)
        if not isinstance(values, list) or not values:
            raise self.bad(f"has {key} = {values!r}: it must be a list of texts")
        return [self._typed(key, value, "a list of texts") for value in values]

    def number(self, key: str) -> int:
        value = self._value(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.bad(f"has {key} = {value!r}: it must be a whole number")
        return value

    def parsed(self, key: str, parse: Callable[[_Text], _Value], text: _Text) -> _Value:
        """What a text says; where it says nothing, the error names its place."""
        try:
            return parse(text)
        except BadInput as error:
            raise self.bad(f"has {key} = {text!r}: {error.what}", error.hint) from error

    def table(self, key: str, place: str = "") -> Table:
        return self._as_table(key, self._value(key), place or f"{self._place}, {key}")

    def tables(self, key: str) -> Iterator[Table]:
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
                hint=self._hint,
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

    def _as_table(self, key: str, value: object, place: str) -> Table:
        if not isinstance(value, dict):
            raise self.bad(f"has {key} = {value!r}: it must be a table")
        return Table(value, self._path, place, hint=self._hint)
