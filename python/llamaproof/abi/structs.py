"""Every ctypes Structure and Union, member by member, against the C record it stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from llamaproof.abi.findings import AbiFinding, defect
from llamaproof.abi.interface import Field, Record, Type
from llamaproof.abi.rules import TypeDifference
from llamaproof.abi.sides import Sides, named

Pair = tuple[Field | None, Field | None]


def compare_structs(
    sides: Sides, *, skip: frozenset[str], counts: Counter[str]
) -> Iterator[AbiFinding]:
    """Compare all of them.

    Args:
        sides: both sides.
        skip: modules to leave out.
        counts: `structs` and `fields` are added to.
    """
    for mine in sides.python.records.values():
        if mine.module not in skip:
            yield from _compare_struct(sides, mine, counts)


def _compare_struct(sides: Sides, mine: Record, counts: Counter[str]) -> Iterator[AbiFinding]:
    theirs = sides.c_record(mine.name)
    if theirs is None:
        if not _is_part_of_another(sides, mine):
            yield _unknown(mine)
        return
    if not theirs.complete:
        if mine.complete:
            yield _opaque(mine)
        return
    if mine.complete:
        counts["structs"] += 1
        yield from _compare_members(sides, theirs, mine, mine.name, counts)


def _is_part_of_another(sides: Sides, mine: Record) -> bool:
    """Whether the class stands for an unnamed member, and is compared inside its parent."""
    return any(
        field.type.kind == "record" and sides.python.records[field.type.record] is mine
        for record in sides.python.records.values()
        for field in record.fields
        if sides.c_record(record.name) is not None
    )


def _unknown(mine: Record) -> AbiFinding:
    return defect(
        "struct.unknown",
        mine.name,
        expected="no such struct",
        found=f"{mine.kind} of {mine.size} bytes in {mine.module}",
        consequence="the library has no such type: whatever takes or returns it means another",
    )


def _opaque(mine: Record) -> AbiFinding:
    return defect(
        "struct.opaque",
        mine.name,
        expected="opaque: the header shows no members",
        found=f"{mine.size} bytes with {len(mine.fields)} members",
        consequence="Python reads members out of memory whose layout is the library's own affair",
    )


def _compare_members(
    sides: Sides, theirs: Record, mine: Record, where: str, counts: Counter[str]
) -> Iterator[AbiFinding]:
    if theirs.kind != mine.kind:
        yield defect(
            "struct.kind",
            where,
            expected=theirs.kind,
            found=mine.kind,
            consequence="members that lie beside each other on one side share their bytes on the "
            "other",
        )
        return
    found: list[AbiFinding] = []
    for pair in _pair_fields(sides, theirs, mine):
        counts["fields"] += 1
        found += _compare_pair(sides, theirs, mine, pair, where, counts)
    yield from found
    # A wrong size with every member right is trailing padding or packing; otherwise it follows.
    if not any(finding.level == "defect" for finding in found):
        yield from _compare_extent(theirs, mine, where)


def _compare_extent(theirs: Record, mine: Record, where: str) -> Iterator[AbiFinding]:
    if theirs.size != mine.size:
        yield defect(
            "struct.size",
            where,
            expected=f"{theirs.size} bytes",
            found=f"{mine.size} bytes",
            consequence="the library writes past the end of what Python allocates"
            if mine.size < theirs.size
            else "in an array of them, each but the first is read from the wrong place",
        )
    elif theirs.align != mine.align:
        yield defect(
            "struct.align",
            where,
            expected=f"aligned to {theirs.align} bytes",
            found=f"aligned to {mine.align} bytes",
            consequence="inside another struct, or passed by value, it lies elsewhere",
        )


def _compare_pair(
    sides: Sides, theirs: Record, mine: Record, pair: Pair, where: str, counts: Counter[str]
) -> Iterator[AbiFinding]:
    c_field, my_field = pair
    if c_field is None and my_field is not None:
        yield _extra(theirs, my_field, f"{where}.{my_field.name}")
    elif c_field is not None and my_field is None:
        yield _missing(mine, c_field, f"{where}.{c_field.name}")
    elif c_field is not None and my_field is not None:
        label = f"{where}.{c_field.name or my_field.name}"
        if c_field.bits or my_field.bits:
            yield from _compare_bits(c_field, my_field, label)
            return
        yield from _compare_field(sides, theirs, mine, (c_field, my_field), label)
        yield from _compare_nested(sides, c_field.type, my_field.type, label, counts)


def _missing(mine: Record, field: Field, label: str) -> AbiFinding:
    return defect(
        "struct.field-missing",
        label,
        expected=_place(field),
        found="no such field",
        consequence=f"the library's {field.name} is {_what_lies_at(field, mine)}",
    )


def _extra(theirs: Record, field: Field, label: str) -> AbiFinding:
    return defect(
        "struct.field-extra",
        label,
        expected="no such field",
        found=_place(field),
        consequence=f"setting it changes, in the library's struct, {_what_lies_at(field, theirs)}",
    )


def _compare_bits(c_field: Field, my_field: Field, label: str) -> Iterator[AbiFinding]:
    if (c_field.bits, c_field.first_bit) != (my_field.bits, my_field.first_bit):
        yield defect(
            "struct.field-bits",
            label,
            expected=f"{c_field.bits} bits from bit {c_field.first_bit}",
            found=f"{my_field.bits} bits from bit {my_field.first_bit}",
            consequence="the bits are read from elsewhere",
        )


def _compare_field(
    sides: Sides, theirs: Record, mine: Record, pair: tuple[Field, Field], label: str
) -> Iterator[AbiFinding]:
    c_field, my_field = pair
    difference = sides.differ(c_field.type, my_field.type, "field")
    if c_field.offset != my_field.offset:
        kind = f"; and {difference.consequence}" if difference is not None else ""
        yield defect(
            "struct.field-offset",
            label,
            expected=_place(c_field),
            found=_place(my_field),
            consequence=f"the library's {c_field.name} is {_what_lies_at(c_field, mine)}; what "
            f"Python sets as {my_field.name} lands on {_what_lies_at(my_field, theirs)}{kind}",
        )
    elif difference is not None:
        yield difference.finding(
            "struct.field-type",
            label,
            expected=_place(c_field),
            found=_place(my_field),
            more=_overlap(theirs, mine, pair, difference),
        )


def _overlap(
    theirs: Record, mine: Record, pair: tuple[Field, Field], difference: TypeDifference
) -> str:
    """What else the longer of two fields takes in."""
    c_field, my_field = pair
    if difference.level != "defect":
        return ""
    if c_field.type.size > my_field.type.size:
        return f": the library's {c_field.name} is {_what_lies_at(c_field, mine)}"
    if c_field.type.size < my_field.type.size:
        rest = Field(
            name="",
            type=Type(kind="unknown", size=my_field.end - c_field.end),
            offset=c_field.end,
        )
        return f": Python's {my_field.name} takes in {_what_lies_at(rest, theirs)}"
    return ""


def _compare_nested(
    sides: Sides, theirs: Type, mine: Type, label: str, counts: Counter[str]
) -> Iterator[AbiFinding]:
    """Compare members of a record that has no name of its own in C."""
    if theirs.kind == mine.kind == "record" and "::" in theirs.record:
        c_record, my_record = sides.c.records[theirs.record], sides.python.records[mine.record]
        yield from _compare_members(sides, c_record, my_record, label, counts)


def _pair_fields(sides: Sides, theirs: Record, mine: Record) -> list[Pair]:
    """Fields of both sides by name; C's unnamed members go with the Python field they match."""
    left = {field.name: field for field in mine.fields}
    pairs: list[Pair] = []
    for field in theirs.fields:
        name = field.name or _stand_in(sides, field, left.values(), theirs)
        if name:
            pairs.append((field, left.pop(name, None)))
            continue
        for inner in sides.c.records[field.type.record].fields:
            flat = Field(name=inner.name, type=inner.type, offset=field.offset + inner.offset)
            pairs.append((flat, left.pop(inner.name, None)))
    return pairs + [(None, field) for field in left.values()]


def _stand_in(sides: Sides, unnamed: Field, candidates: Iterable[Field], theirs: Record) -> str:
    """Name of the Python field that stands for an unnamed member: a record sharing its members."""
    taken = {field.name for field in theirs.fields}
    members = {field.name for field in sides.c.records[unnamed.type.record].fields}
    for field in candidates:
        if field.name in taken or field.type.kind != "record":
            continue
        if members & {inner.name for inner in sides.python.records[field.type.record].fields}:
            return field.name
    return ""


def _what_lies_at(field: Field, other: Record) -> str:
    """In words, what the other side has in the bytes of this field."""
    start = f"byte {field.offset}"
    if field.type.size > 1:
        start = f"bytes {field.offset} to {field.end - 1}"
    covering = [f for f in other.fields if f.offset < field.end and field.offset < f.end]
    if covering:
        names = ", ".join(f"{f.name or 'an unnamed member'} ({named(f.type)})" for f in covering)
        return f"{start}: {names}"
    if field.offset >= other.size:
        return f"{start}: past the end of a struct of {other.size}, memory of something else"
    return f"{start}: padding"


def _place(field: Field) -> str:
    return f"{named(field.type)} at offset {field.offset}"
