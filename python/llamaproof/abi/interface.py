"""The words in which both sides, C and ctypes, are described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

TypeKind = Literal[
    "void",
    "bool",
    "char",
    "int",
    "enum",
    "float",
    "pointer",
    "function",
    "record",
    "array",
    "unknown",
]
RecordKind = Literal["struct", "union"]

POINTER_SIZE = 8
"""Bytes of a pointer on x86-64, the one platform whose bindings are read (System V psABI)."""


@dataclass(frozen=True, kw_only=True)
class Type:
    """A type as the machine sees it; typedefs and qualifiers are resolved.

    Attributes:
        kind: `char` is C's plain char, or an 8-bit type meant as text; int8_t is an `int`.
        size: bytes; 0 for void, functions and incomplete records.
        signed: of an integer, or of the integer an enum is stored in.
        name: as written: `const char *`, `c_uint32`, `llama_batch`.
        record: name of the record a `record` refers to.
        target: what a pointer points to, or an array holds.
        length: elements of an array.
        result: of a function; None there means it was never declared.
        args: of a function.
    """

    kind: TypeKind
    size: int
    signed: bool = False
    name: str = ""
    record: str = ""
    target: Type | None = None
    length: int = 0
    result: Type | None = None
    args: tuple[Type, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Field:
    """A member of a record.

    Attributes:
        name: empty for C's anonymous members.
        offset: bytes from the start of the record.
        bits: width of a bit field; 0 for all others.
        first_bit: of a bit field, from the start of the record.
    """

    name: str
    type: Type
    offset: int
    bits: int = 0
    first_bit: int = 0

    @property
    def end(self) -> int:
        return self.offset + self.type.size


@dataclass(frozen=True, kw_only=True)
class Record:
    """A struct or union.

    Attributes:
        name: of C, or of the ctypes class.
        module: header or Python module it was read from.
        size: bytes.
        align: bytes.
        fields: in declaration order.
        complete: False where only the name is known.
    """

    name: str
    kind: RecordKind
    module: str
    size: int
    align: int
    fields: tuple[Field, ...]
    complete: bool = True


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function as declared in C, or as bound in Python.

    Attributes:
        name: as C spells it, or the name Python asks the library for.
        symbol: as the linker spells it.
        module: header or Python module it was read from.
        result: None where Python never declared one (ctypes then takes int).
        args: None where Python never declared them.
        variadic: takes more after the last argument.
        bound_as: the module-level names Python gives it.
        libraries: base names of the libraries Python looks in.
    """

    name: str
    symbol: str
    module: str
    result: Type | None
    args: tuple[Type, ...] | None
    variadic: bool = False
    bound_as: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Constant:
    """An enumerator, a macro with a value, or an upper-case number of a binding module.

    Attributes:
        enum: name of the C enum, where it is one of its enumerators.
    """

    name: str
    module: str
    value: int | float | str
    enum: str = ""


@dataclass(frozen=True, kw_only=True)
class Interface:
    """Everything one side says, by name.

    Attributes:
        functions: by C name; Python's by module and symbol, as two modules may bind one symbol.
        typedefs: C typedefs, or Python's module-level names of ctypes types.
        modules: Python only: each binding module, and the libraries it loads.
        headers: C only: names of the header files that were read.
    """

    records: Mapping[str, Record]
    functions: Mapping[str, Function]
    constants: Mapping[str, Constant]
    typedefs: Mapping[str, Type]
    modules: Mapping[str, tuple[str, ...]]
    headers: tuple[str, ...] = ()


def type_from_json(document: Mapping[str, Any]) -> Type:
    """A `Type` from the bindings worker's description."""
    target = document.get("target")
    result = document.get("result")
    return Type(
        kind=document["kind"],
        size=document["size"],
        signed=document.get("signed", False),
        name=document.get("name", ""),
        record=document.get("record", ""),
        target=type_from_json(target) if target else None,
        length=document.get("length", 0),
        result=type_from_json(result) if result else None,
        args=tuple(type_from_json(arg) for arg in document.get("args", ())),
    )
