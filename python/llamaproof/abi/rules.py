"""When a ctypes type stands for a C type: the rules, as data, and their one reader.

Sizes, registers and alignment are those of the System V x86-64 psABI, on which ctypes runs here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from llamaproof.abi.findings import AbiFinding, Level
from llamaproof.abi.interface import Type, TypeKind

Position = Literal["field", "argument", "result", "element"]
"""Where a type stands: in a record; passed by Python; returned to it; behind a pointer."""

_READ_BY_PYTHON: frozenset[Position] = frozenset(("field", "result", "element"))


@dataclass(frozen=True, kw_only=True)
class TypeDifference:
    """That two types differ, how bad it is, and what happens."""

    level: Level
    consequence: str

    def finding(
        self, code: str, where: str, *, expected: str, found: str, more: str = ""
    ) -> AbiFinding:
        """The finding that says so; `more` is added to the consequence."""
        return AbiFinding(
            level=self.level,
            code=code,
            where=where,
            expected=expected,
            found=found,
            consequence=self.consequence + more,
        )


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a pair of kinds of the same size means; no level where they are the same thing."""

    level: Level | None = None
    consequence: str = ""


_SAME = Rule()

# (kind in C, kind in Python), sizes equal. A pair that is not here is a defect.
SAME_SIZE: Mapping[tuple[TypeKind, TypeKind], Rule] = {
    ("bool", "bool"): _SAME,
    ("char", "char"): _SAME,
    ("char", "int"): _SAME,
    ("int", "int"): _SAME,
    ("enum", "int"): _SAME,
    ("float", "float"): _SAME,
    ("void", "void"): _SAME,
    ("bool", "int"): Rule(
        level="note", consequence="a value other than 0 and 1 is undefined behaviour in C"
    ),
    ("int", "char"): Rule(
        level="note", consequence="Python sees bytes of length one in place of numbers"
    ),
    ("pointer", "int"): Rule(
        level="note", consequence="an address passed as a number: NULL is 0, not None"
    ),
    ("int", "pointer"): Rule(
        level="note", consequence="a number seen as an address: 0 reads as None"
    ),
}

# Byte-sized element types: buffers of bytes and text, whatever sign they are given.
_BYTE_KINDS: frozenset[TypeKind] = frozenset(("char", "int", "bool"))


def compare_types(c: Type, python: Type, position: Position) -> TypeDifference | None:
    """How a ctypes type differs from the C type it stands for; None when it does not."""
    if c.kind == "unknown":
        return TypeDifference(
            level="unchecked", consequence="ctypes has no counterpart of this C++ type"
        )
    if python.kind == "unknown":
        return TypeDifference(
            level="unchecked", consequence=f"{python.name} is no plain ctypes type: not decidable"
        )
    if position == "result" and (c.kind == "void") != (python.kind == "void"):
        return _void_result(c)
    compare = _OF_ONE_KIND.get(c.kind)
    if compare is not None and python.kind == c.kind:
        return compare(c, python)
    return _compare_plain(c, python, position)


def _compare_plain(c: Type, python: Type, position: Position) -> TypeDifference | None:
    if c.size != python.size:
        return TypeDifference(level="defect", consequence=_size_consequence(c, python, position))
    rule = SAME_SIZE.get((c.kind, python.kind))
    if rule is None:
        return TypeDifference(level="defect", consequence=_kind_consequence(c, python))
    if rule.level is not None:
        return TypeDifference(level=rule.level, consequence=rule.consequence)
    return _compare_signs(c, python, position)


def _both_bytes(c: Type, python: Type) -> bool:
    return c.size == 1 and python.size == 1 and {c.kind, python.kind} <= _BYTE_KINDS


def record_name(python: Type) -> str:
    """The class name in a record reference of Python (`module.Class`)."""
    return python.record.rpartition(".")[2]


def _void_result(c: Type) -> TypeDifference:
    if c.kind == "void":
        return TypeDifference(
            level="defect", consequence="C returns nothing: Python reads what a register held"
        )
    if c.kind == "record":
        return TypeDifference(
            level="defect",
            consequence="C writes the struct to an address that Python never passes: memory is "
            "overwritten",
        )
    return TypeDifference(level="note", consequence="the result is dropped")


def _compare_pointers(c: Type, python: Type) -> TypeDifference | None:
    assert c.target is not None and python.target is not None
    inner, mine = c.target, python.target
    if mine.kind == "void" or inner.kind == "void":
        return None  # an untyped address goes with any other
    if inner.kind == "function" and mine.kind == "function":
        return _compare_callbacks(inner, mine)
    if _both_bytes(inner, mine):
        return None
    if inner.kind == "unknown":
        return None
    if inner.kind == "record" and inner.size == 0 and mine.kind != "record":
        return TypeDifference(
            level="note",
            consequence=f"the address is passed unchanged; {inner.record} is opaque, so what "
            f"Python would read through it ({mine.name}) means nothing",
        )
    if inner.kind == "record" and mine.kind == "record" and 0 in (inner.size, mine.size):
        return None if record_name(mine) == inner.record else _other_record(inner, mine)
    different = compare_types(inner, mine, "element")
    if different is None:
        return None
    return TypeDifference(
        level=different.level, consequence=f"behind the pointer: {different.consequence}"
    )


def _compare_arrays(c: Type, python: Type) -> TypeDifference | None:
    assert c.target is not None and python.target is not None
    if c.length != python.length:
        return TypeDifference(
            level="defect",
            consequence=f"C has {c.length} elements, Python {python.length}: what follows the "
            "shorter one is read as part of it",
        )
    if _both_bytes(c.target, python.target):
        return None
    return compare_types(c.target, python.target, "element")


def _compare_record_names(c: Type, python: Type) -> TypeDifference | None:
    # Records of one name are compared once, field by field, where they are declared.
    if record_name(python) == c.record or "::" in c.record:
        return None
    return _other_record(c, python)


def _other_record(c: Type, python: Type) -> TypeDifference:
    return TypeDifference(
        level="defect",
        consequence=f"C has {c.record} ({c.size} bytes), Python {record_name(python)} "
        f"({python.size} bytes): one is read as the other",
    )


_OF_ONE_KIND: Mapping[TypeKind, Callable[[Type, Type], TypeDifference | None]] = {
    "pointer": _compare_pointers,
    "array": _compare_arrays,
    "record": _compare_record_names,
}


def _compare_callbacks(c: Type, python: Type) -> TypeDifference | None:
    if len(c.args) != len(python.args):
        return TypeDifference(
            level="defect",
            consequence=f"C calls back with {len(c.args)} arguments, the Python callback takes "
            f"{len(python.args)}: registers and stack are read as what they are not",
        )
    assert c.result is not None and python.result is not None
    # Seen from a callback the directions turn round: Python reads arguments and makes the result.
    differences = [
        (f"argument {number}", compare_types(mine, theirs, "result"))
        for number, (mine, theirs) in enumerate(zip(c.args, python.args, strict=True), 1)
    ]
    if (c.result.kind == "void") != (python.result.kind == "void"):
        differences.append(("result", _callback_void(c.result)))
    elif c.result.kind != "void":
        differences.append(("result", compare_types(c.result, python.result, "argument")))
    worst = sorted(
        ((where, difference) for where, difference in differences if difference is not None),
        key=lambda item: ("defect", "unchecked", "note").index(item[1].level),
    )
    if not worst:
        return None
    where, difference = worst[0]
    return TypeDifference(
        level=difference.level, consequence=f"callback's {where}: {difference.consequence}"
    )


def _callback_void(c_result: Type) -> TypeDifference:
    if c_result.kind == "void":
        return TypeDifference(level="note", consequence="what the callback returns is dropped")
    return TypeDifference(
        level="defect",
        consequence="C reads a result the callback never sets: whatever a register held",
    )


def _compare_signs(c: Type, python: Type, position: Position) -> TypeDifference | None:
    if c.signed == python.signed or c.kind not in ("int", "enum") or python.kind != "int":
        return None
    if c.kind == "enum":
        # C stores an enum without negative members in an unsigned int; its values fit both.
        if not c.signed:
            return None
        consequence = "a negative member of the enum reads as a large number"
    elif c.signed:
        consequence = "a negative value reads as a large number"
    else:
        consequence = "a value in the upper half of the range reads as negative"
    if position in _READ_BY_PYTHON:
        return TypeDifference(level="defect", consequence=consequence)
    return TypeDifference(level="note", consequence="the same bits are passed either way")


def _size_consequence(c: Type, python: Type, position: Position) -> str:
    if position == "argument":
        if python.size < c.size:
            return (
                f"Python passes {python.size} bytes where C reads {c.size}: values beyond "
                f"{python.name} arrive changed"
            )
        return f"Python passes {python.size} bytes of which C reads {c.size}: large values are cut"
    if position == "result":
        if python.size < c.size:
            what = "an address" if c.kind == "pointer" else "the value"
            return f"Python keeps {python.size} of {c.size} bytes: {what} is cut"
        return f"Python reads {python.size} bytes where C sets {c.size}: the rest is left over"
    return f"C has {c.size} bytes here, Python {python.size}"


def _kind_consequence(c: Type, python: Type) -> str:
    return f"the bytes of a {_kind_name(c)} are read as a {_kind_name(python)}"


def _kind_name(kind: Type) -> str:
    names = {"int": "integer", "char": "character", "float": "floating-point number"}
    return names.get(kind.kind, kind.kind)
