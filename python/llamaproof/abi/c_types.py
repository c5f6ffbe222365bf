"""A C type as libclang describes it, in the words of `interface`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from clang import cindex
from clang.cindex import TypeKind

from llamaproof.abi.interface import POINTER_SIZE, Type

_UNSIGNED = {
    TypeKind.CHAR_U,
    TypeKind.UCHAR,
    TypeKind.CHAR16,
    TypeKind.CHAR32,
    TypeKind.USHORT,
    TypeKind.UINT,
    TypeKind.ULONG,
    TypeKind.ULONGLONG,
    TypeKind.UINT128,
}
_INTEGERS = {
    *_UNSIGNED,
    TypeKind.SCHAR,
    TypeKind.WCHAR,
    TypeKind.SHORT,
    TypeKind.INT,
    TypeKind.LONG,
    TypeKind.LONGLONG,
    TypeKind.INT128,
}
_FLOATS = {TypeKind.HALF, TypeKind.FLOAT, TypeKind.DOUBLE, TypeKind.LONGDOUBLE, TypeKind.FLOAT128}
_POINTERS = {TypeKind.POINTER, TypeKind.LVALUEREFERENCE, TypeKind.RVALUEREFERENCE}
_ARRAYS = {TypeKind.CONSTANTARRAY, TypeKind.INCOMPLETEARRAY, TypeKind.VARIABLEARRAY}
_FUNCTIONS = {TypeKind.FUNCTIONPROTO, TypeKind.FUNCTIONNOPROTO}
_MAX_DEPTH = 12


def read_type(clang_type: cindex.Type, depth: int = 0) -> Type:
    """A type with typedefs and qualifiers resolved; `unknown` where nesting never ends."""
    canonical = clang_type.get_canonical()
    if depth <= _MAX_DEPTH:
        for kinds, read in _READERS:
            if canonical.kind in kinds:
                return replace(read(canonical, depth), name=clang_type.spelling)
    return replace(_unknown(canonical, depth), name=clang_type.spelling)


def _size(canonical: cindex.Type) -> int:
    return max(int(canonical.get_size()), 0)


def _unknown(canonical: cindex.Type, _depth: int) -> Type:
    return Type(kind="unknown", size=_size(canonical))


def _void(_canonical: cindex.Type, _depth: int) -> Type:
    return Type(kind="void", size=0)


def _bool(canonical: cindex.Type, _depth: int) -> Type:
    return Type(kind="bool", size=_size(canonical))


def _plain_char(canonical: cindex.Type, _depth: int) -> Type:
    signed = canonical.kind == TypeKind.CHAR_S
    return Type(kind="char", size=_size(canonical), signed=signed)


def _integer(canonical: cindex.Type, _depth: int) -> Type:
    return Type(kind="int", size=_size(canonical), signed=canonical.kind not in _UNSIGNED)


def _float(canonical: cindex.Type, _depth: int) -> Type:
    return Type(kind="float", size=_size(canonical), signed=True)


def _enum(canonical: cindex.Type, _depth: int) -> Type:
    stored = canonical.get_declaration().enum_type.get_canonical().kind
    return Type(kind="enum", size=_size(canonical), signed=stored not in _UNSIGNED)


def _pointer(canonical: cindex.Type, depth: int) -> Type:
    target = read_type(canonical.get_pointee(), depth + 1)
    return Type(kind="pointer", size=_size(canonical), target=target)


def _array(canonical: cindex.Type, depth: int) -> Type:
    element = read_type(canonical.get_array_element_type(), depth + 1)
    length = canonical.get_array_size() if canonical.kind == TypeKind.CONSTANTARRAY else 0
    return Type(kind="array", size=_size(canonical), target=element, length=length)


def _function(canonical: cindex.Type, depth: int) -> Type:
    return Type(
        kind="function",
        size=0,
        result=read_type(canonical.get_result(), depth + 1),
        args=tuple(decayed(read_type(arg, depth + 1)) for arg in canonical.argument_types()),
    )


def _record(canonical: cindex.Type, depth: int) -> Type:
    if "<" in canonical.spelling:
        # A C++ template: ctypes has no counterpart, and libclang no size before it is used.
        return _unknown(canonical, depth)
    record = canonical.get_declaration().spelling
    return Type(kind="record", size=_size(canonical), record=record)


# How a type is read, by its kind; the first that has the kind.
_READERS: tuple[tuple[Collection[TypeKind], Callable[[cindex.Type, int], Type]], ...] = (
    ({TypeKind.VOID}, _void),
    ({TypeKind.BOOL}, _bool),
    ({TypeKind.CHAR_S, TypeKind.CHAR_U}, _plain_char),
    (_INTEGERS, _integer),
    (_FLOATS, _float),
    ({TypeKind.ENUM}, _enum),
    (_POINTERS, _pointer),
    (_ARRAYS, _array),
    (_FUNCTIONS, _function),
    ({TypeKind.RECORD}, _record),
)


def decayed(argument: Type) -> Type:
    """An argument's type after C's adjustment of arrays and functions to pointers."""
    if argument.kind == "array":
        return Type(kind="pointer", size=POINTER_SIZE, name=argument.name, target=argument.target)
    if argument.kind == "function":
        return Type(kind="pointer", size=POINTER_SIZE, name=argument.name, target=argument)
    return argument
