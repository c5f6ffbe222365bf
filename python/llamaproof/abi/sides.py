"""Both sides of the comparison, and what each of its parts asks of them."""

from __future__ import annotations

from dataclasses import dataclass

from llamaproof.abi.interface import Interface, Record, Type
from llamaproof.abi.rules import Position, TypeDifference, compare_types

# Kinds of type that are one thing as far as a struct's layout goes.
_LAYOUT_KINDS = {"enum": "int", "char": "int"}


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What the headers declare, and what the bindings say."""

    c: Interface
    python: Interface

    def c_record(self, name: str) -> Record | None:
        """A C record by its tag or by a typedef of it."""
        found = self.c.records.get(name)
        alias = self.c.typedefs.get(name)
        if found is None and alias is not None and alias.kind == "record":
            return self.c.records.get(alias.record)
        return found

    def differ(self, theirs: Type, mine: Type, position: Position) -> TypeDifference | None:
        """How a type of the bindings differs from C's; None where it stands for it.

        Records of different names are one type where their members lie alike.
        """
        difference = compare_types(theirs, mine, position)
        if (
            difference is not None
            and difference.level == "defect"
            and self._same_layout(theirs, mine)
        ):
            return None
        return difference

    def _same_layout(self, theirs: Type, mine: Type) -> bool:
        while theirs.kind == mine.kind == "pointer" and theirs.target and mine.target:
            theirs, mine = theirs.target, mine.target
        if theirs.kind != "record" or mine.kind != "record":
            return False
        c_record = self.c.records.get(theirs.record)
        my_record = self.python.records.get(mine.record)
        if c_record is None or my_record is None or not c_record.complete:
            return False
        return _shape(c_record) == _shape(my_record)


def named(kind: Type) -> str:
    """A type in words: its name, and its size where that says something."""
    name = kind.name or kind.kind
    if not kind.size or kind.kind == "pointer":
        return name
    return f"{name}, {kind.size} byte{'s' if kind.size > 1 else ''}"


def _shape(record: Record) -> tuple[object, ...]:
    members = (
        (f.offset, f.bits, f.first_bit, _LAYOUT_KINDS.get(f.type.kind, f.type.kind), f.type.size)
        for f in record.fields
    )
    return (record.size, record.align, *members)
