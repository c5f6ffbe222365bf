"""Hold the bindings against the headers: structs, functions, constants, named types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from llamaproof.abi.findings import Finding, Level
from llamaproof.abi.model import Constant, Field, Function, Interface, Record, Type
from llamaproof.abi.rules import Position, Verdict, compare_types

# Ends of Python's names for a ctypes type, and how many pointers they put on the C name.
_ALIAS_ENDS = (("_p_ctypes", 1), ("_ctypes", 0), ("_p", 1), ("", 0))
# Members that count the others: they grow with every release that adds one.
_COUNTING_MEMBER = re.compile(r"_(COUNT|MAX_VALUE)$")
_DEFAULT_RESULT = Type(kind="int", size=4, signed=True, name="c_int (ctypes' default)")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Findings, what was compared, and the C functions nobody binds."""

    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    unbound: tuple[str, ...]


def compare(
    c: Interface, python: Interface, *, exports: Mapping[str, frozenset[str]] | None
) -> Comparison:
    """Compare the two sides.

    Args:
        c: what the headers declare.
        python: what the binding modules say.
        exports: by library base name, the symbols a lookup in it finds; None without a binary.
    """
    return _Comparer(c, python, exports).run()


class _Comparer:
    def __init__(
        self, c: Interface, python: Interface, exports: Mapping[str, frozenset[str]] | None
    ) -> None:
        self._c = c
        self._python = python
        self._exports = exports
        self._c_functions = {f.symbol: f for f in c.functions.values()} | dict(c.functions)
        self._findings: list[Finding] = []
        self._counts = dict.fromkeys(
            ("structs", "fields", "functions", "arguments", "constants", "types"), 0
        )
        self._dead = self._dead_modules()

    def run(self) -> Comparison:
        for record in self._python.records.values():
            if record.module not in self._dead:
                self._compare_struct(record)
        for function in self._python.functions.values():
            if function.module not in self._dead:
                self._compare_function(function)
        self._compare_constants()
        for name, alias in self._python.typedefs.items():
            self._compare_alias(name, alias)
        return Comparison(
            findings=tuple(self._findings), counts=self._counts, unbound=self._unbound()
        )

    def _add(
        self, level: Level, code: str, where: str, expected: str, found: str, consequence: str
    ) -> None:
        self._findings.append(
            Finding(
                level=level,
                code=code,
                where=where,
                expected=expected,
                found=found,
                consequence=consequence,
            )
        )

    # -- modules ----------------------------------------------------------------------------

    def _dead_modules(self) -> frozenset[str]:
        """Modules whose every library is neither in the headers nor in the binary."""
        dead = set()
        for module, libraries in self._python.modules.items():
            functions = [f for f in self._python.functions.values() if f.module == module]
            known = any(f.symbol in self._c_functions for f in functions)
            if libraries and not known and not any(map(self._has_library, libraries)):
                dead.add(module)
                self._add_dead(module, libraries, len(functions))
        return frozenset(dead)

    def _has_library(self, library: str) -> bool:
        if self._exports is not None:
            return library in self._exports
        return any(header.startswith(library) for header in self._c.headers)

    def _add_dead(self, module: str, libraries: Sequence[str], functions: int) -> None:
        names = ", ".join(f"lib{name}" for name in libraries)
        self._add(
            "note",
            "module.no-library",
            module,
            f"no {names}" + (" in the target" if self._exports is not None else " header"),
            f"{functions} functions bound to {names}",
            "the module cannot be imported; what it binds was not checked",
        )

    # -- structs ----------------------------------------------------------------------------

    def _c_record(self, name: str) -> Record | None:
        found = self._c.records.get(name)
        alias = self._c.typedefs.get(name)
        if found is None and alias is not None and alias.kind == "record":
            return self._c.records.get(alias.record)
        return found

    def _compare_struct(self, mine: Record) -> None:
        theirs = self._c_record(mine.name)
        if theirs is None:
            if not self._is_part_of_another(mine):
                self._missing_struct(mine)
            return
        if not mine.complete or not theirs.complete:
            self._opaque_struct(theirs, mine)
            return
        self._counts["structs"] += 1
        before = len(self._findings)
        if theirs.kind != mine.kind:
            self._add(
                "defect",
                "struct.kind",
                mine.name,
                theirs.kind,
                mine.kind,
                "members that lie beside each other on one side share their bytes on the other",
            )
            return
        self._compare_fields(theirs, mine, mine.name)
        if len(self._findings) == before:
            self._compare_extent(theirs, mine, mine.name)

    def _is_part_of_another(self, mine: Record) -> bool:
        """Whether the class stands for an unnamed member, and was compared inside its parent."""
        return any(
            field.type.kind == "record" and self._python.records[field.type.record] is mine
            for record in self._python.records.values()
            for field in record.fields
            if self._c_record(record.name) is not None
        )

    def _missing_struct(self, mine: Record) -> None:
        self._add(
            "defect",
            "struct.unknown",
            mine.name,
            "no such struct",
            f"{mine.kind} of {mine.size} bytes in {mine.module}",
            "the library has no such type: whatever takes or returns it means something else",
        )

    def _opaque_struct(self, theirs: Record, mine: Record) -> None:
        if mine.complete and not theirs.complete:
            self._add(
                "defect",
                "struct.opaque",
                mine.name,
                "opaque: the header shows no members",
                f"{mine.size} bytes with {len(mine.fields)} members",
                "Python reads members out of memory whose layout is private to the library",
            )

    def _compare_extent(self, theirs: Record, mine: Record, where: str) -> None:
        if theirs.size != mine.size:
            less = mine.size < theirs.size
            self._add(
                "defect",
                "struct.size",
                where,
                f"{theirs.size} bytes",
                f"{mine.size} bytes",
                "the library writes past the end of what Python allocates"
                if less
                else "arrays of it step too far",
            )
        elif theirs.align != mine.align:
            self._add(
                "defect",
                "struct.align",
                where,
                f"aligned to {theirs.align} bytes",
                f"aligned to {mine.align} bytes",
                "inside another struct, or passed by value, it lies elsewhere",
            )

    def _compare_fields(self, theirs: Record, mine: Record, where: str) -> None:
        pairs = _pair_fields(theirs, mine, self._c, self._python)
        for c_field, my_field in pairs:
            self._counts["fields"] += 1
            label = f"{where}.{(c_field or my_field or _NO_FIELD).name or '(unnamed)'}"
            if my_field is None and c_field is not None:
                self._missing_field(mine, c_field, label)
            elif c_field is None and my_field is not None:
                self._extra_field(theirs, my_field, label)
            elif c_field is not None and my_field is not None:
                self._compare_field(theirs, mine, c_field, my_field, label)

    def _missing_field(self, mine: Record, field: Field, label: str) -> None:
        self._add(
            "defect",
            "struct.field-missing",
            label,
            _place(field),
            "no such field",
            f"the library's {field.name} is {_what_lies_at(field, mine)}",
        )

    def _extra_field(self, theirs: Record, field: Field, label: str) -> None:
        self._add(
            "defect",
            "struct.field-extra",
            label,
            "no such field",
            _place(field),
            f"setting it changes {_what_lies_at(field, theirs)} of the library's struct",
        )

    def _compare_field(
        self, theirs: Record, mine: Record, c_field: Field, my_field: Field, label: str
    ) -> None:
        if c_field.bits or my_field.bits:
            if (c_field.bits, c_field.offset) != (my_field.bits, my_field.offset):
                self._add(
                    "defect",
                    "struct.field-bits",
                    label,
                    f"{c_field.bits} bits, {_place(c_field)}",
                    f"{my_field.bits} bits, {_place(my_field)}",
                    "the bits are read from elsewhere",
                )
            return
        verdict = self._compare_types(c_field.type, my_field.type, "field")
        if c_field.offset != my_field.offset:
            kind = f"; and {verdict.consequence}" if verdict is not None else ""
            self._add(
                "defect",
                "struct.field-offset",
                label,
                _place(c_field),
                _place(my_field),
                f"the library's {c_field.name} is {_what_lies_at(c_field, mine)}; what Python "
                f"sets as {my_field.name} lands on {_what_lies_at(my_field, theirs)}{kind}",
            )
        elif verdict is not None:
            overlap = ""
            if c_field.type.size > my_field.type.size:
                overlap = f": the library's {c_field.name} is {_what_lies_at(c_field, mine)}"
            self._add(
                verdict.level,
                "struct.field-type",
                label,
                _place(c_field),
                _place(my_field),
                f"{verdict.consequence}{overlap}",
            )
        self._compare_nested(c_field.type, my_field.type, label)

    def _compare_nested(self, theirs: Type, mine: Type, label: str) -> None:
        """Compare members of records that have no name of their own in C."""
        if theirs.kind != "record" or mine.kind != "record" or "::" not in theirs.record:
            return
        c_record, my_record = self._c.records[theirs.record], self._python.records[mine.record]
        if c_record.kind != my_record.kind:
            self._add(
                "defect",
                "struct.kind",
                label,
                c_record.kind,
                my_record.kind,
                "members that lie beside each other on one side share their bytes on the other",
            )
            return
        before = len(self._findings)
        self._compare_fields(c_record, my_record, label)
        if len(self._findings) == before:
            self._compare_extent(c_record, my_record, label)

    def _compare_types(self, theirs: Type, mine: Type, position: Position) -> Verdict | None:
        verdict = compare_types(theirs, mine, position)
        if verdict is None or verdict.level != "defect":
            return verdict
        return None if self._same_layout(theirs, mine) else verdict

    def _same_layout(self, theirs: Type, mine: Type) -> bool:
        """Whether two records of different names are one in bytes, directly or behind pointers."""
        while theirs.kind == mine.kind == "pointer" and theirs.target and mine.target:
            theirs, mine = theirs.target, mine.target
        if theirs.kind != "record" or mine.kind != "record":
            return False
        c_record = self._c.records.get(theirs.record)
        my_record = self._python.records.get(mine.record)
        if c_record is None or my_record is None or not c_record.complete:
            return False
        return _shape(c_record) == _shape(my_record)

    # -- functions --------------------------------------------------------------------------

    def _compare_function(self, mine: Function) -> None:
        theirs = self._c_functions.get(mine.symbol)
        self._check_bound_name(mine)
        exported = self._is_exported(mine, theirs)
        if theirs is None:
            self._undeclared_function(mine, exported)
            return
        self._counts["functions"] += 1
        if exported is False:
            self._add(
                "defect",
                "function.not-exported",
                mine.name,
                f"declared in {theirs.module}",
                f"not exported by {_library_names(mine)}",
                "the lookup fails with AttributeError: importing the module fails",
            )
        self._compare_result(theirs, mine)
        self._compare_arguments(theirs, mine)

    def _is_exported(self, mine: Function, theirs: Function | None) -> bool | None:
        if self._exports is None:
            return None
        names = {mine.symbol} | ({theirs.symbol} if theirs is not None else set())
        # Python asks for the name as written; a C++ name it does not write is never found.
        asked = {mine.symbol} & names
        return any(asked & self._exports.get(library, frozenset()) for library in mine.libraries)

    def _undeclared_function(self, mine: Function, exported: bool | None) -> None:
        if exported:
            self._add(
                "unchecked",
                "function.undeclared",
                mine.name,
                "exported, but declared in none of the headers",
                f"bound in {mine.module}",
                "its arguments could not be compared; give the header that declares it",
            )
            return
        gone = "" if exported is None else f" and not exported by {_library_names(mine)}"
        self._add(
            "defect",
            "function.removed",
            mine.name,
            f"not in the headers{gone}",
            f"bound in {mine.module}",
            "the lookup fails with AttributeError: importing the module fails",
        )

    def _check_bound_name(self, mine: Function) -> None:
        plain = self._c_functions[mine.symbol].name if mine.symbol in self._c_functions else ""
        for name in mine.bound_as:
            if name in self._c.functions and name not in (mine.symbol, plain):
                self._add(
                    "defect",
                    "function.wrong-name",
                    name,
                    f"a function called {name}",
                    f"{name} is bound to {mine.symbol}",
                    f"calling {name} calls {mine.symbol}",
                )

    def _compare_result(self, theirs: Function, mine: Function) -> None:
        assert theirs.result is not None
        if mine.result is None:
            verdict = self._compare_types(theirs.result, _DEFAULT_RESULT, "result")
            level: Level = "defect" if verdict is not None else "note"
            self._add(
                level,
                "function.result-undeclared",
                mine.name,
                f"returns {theirs.result.name}",
                "no restype: ctypes takes int",
                verdict.consequence if verdict is not None else "int is what C returns, by luck",
            )
            return
        verdict = self._compare_types(theirs.result, mine.result, "result")
        if verdict is not None:
            self._add(
                verdict.level,
                "function.result-type",
                mine.name,
                f"returns {_named(theirs.result)}",
                f"restype {_named(mine.result)}",
                verdict.consequence,
            )

    def _compare_arguments(self, theirs: Function, mine: Function) -> None:
        expected = theirs.args or ()
        if mine.args is None:
            if expected:
                self._add(
                    "defect",
                    "function.arguments-undeclared",
                    mine.name,
                    _signature(theirs),
                    "no argtypes",
                    "ctypes guesses: a number goes as a 32-bit int, an address is cut, anything "
                    "is accepted",
                )
            return
        if len(mine.args) != len(expected) and not (
            theirs.variadic and len(mine.args) >= len(expected)
        ):
            self._add(
                "defect",
                "function.arity",
                mine.name,
                f"{len(expected)} arguments: {_signature(theirs)}",
                f"{len(mine.args)} arguments",
                _arity_consequence(expected, len(mine.args)),
            )
            return
        pairs = zip(expected, mine.args[: len(expected)], strict=True)
        for number, (c_type, my_type) in enumerate(pairs, 1):
            self._counts["arguments"] += 1
            verdict = self._compare_types(c_type, my_type, "argument")
            if verdict is not None:
                self._add(
                    verdict.level,
                    "function.argument-type",
                    f"{mine.name}, argument {number}",
                    _named(c_type),
                    _named(my_type),
                    verdict.consequence,
                )

    def _unbound(self) -> tuple[str, ...]:
        """C functions of the libraries that have a binding module, bound by none."""
        libraries = {
            library
            for module, names in self._python.modules.items()
            for library in names
            if any(f.module == module for f in self._python.functions.values())
        }
        bound = {f.symbol for f in self._python.functions.values()}
        return tuple(
            sorted(
                f.name
                for f in self._c.functions.values()
                if any(f.module.startswith(library) for library in libraries)
                and not {f.name, f.symbol} & bound
            )
        )

    # -- constants and named types ----------------------------------------------------------

    def _compare_constants(self) -> None:
        unknown: list[str] = []
        for mine in self._python.constants.values():
            if mine.module in self._dead:
                continue
            theirs = self._c.constants.get(mine.name)
            if theirs is not None:
                self._compare_constant(theirs, mine)
            elif family := self._family(mine.name):
                self._removed_constant(mine, family)
            else:
                unknown.append(mine.name)
        if unknown:
            self._add(
                "note",
                "constant.not-in-headers",
                f"{len(unknown)} constants",
                "no header has them",
                ", ".join(unknown),
                "there is nothing to compare them with",
            )

    def _compare_constant(self, theirs: Constant, mine: Constant) -> None:
        self._counts["constants"] += 1
        if _same_value(theirs.value, mine.value):
            return
        if counts_members(theirs, mine):
            self._add(
                "note",
                "constant.count",
                mine.name,
                str(theirs.value),
                str(mine.value),
                f"the enum has members the bindings do not list; only a loop up to {mine.name} "
                "would miss them",
            )
            return
        meant = self._meaning(theirs, mine.value)
        self._add(
            "defect",
            "constant.value",
            mine.name,
            f"{theirs.value}" + (f" in enum {theirs.enum}" if theirs.enum else ""),
            f"{mine.value}",
            f"the library takes {mine.value} for {meant}",
        )

    def _meaning(self, theirs: Constant, value: object) -> str:
        if not theirs.enum:
            return "another value"
        same = (
            c.name
            for c in self._c.constants.values()
            if c.enum == theirs.enum and c.value == value and c.name != theirs.name
        )
        return next(same, f"a value {theirs.enum} does not have")

    def _removed_constant(self, mine: Constant, family: str) -> None:
        taken = [
            c.name for c in self._c.constants.values() if c.enum == family and c.value == mine.value
        ]
        self._add(
            "defect",
            "constant.removed",
            mine.name,
            f"enum {family} has no such member",
            f"{mine.value}",
            f"the library takes {mine.value} for {taken[0]}"
            if taken
            else f"the library has no meaning for {mine.value} in {family}",
        )

    def _family(self, name: str) -> str:
        """The C enum all of whose members share a prefix, if the name has that prefix too."""
        prefixes = _enum_prefixes(self._c.constants.values())
        matching = [(len(p), enum) for enum, p in prefixes.items() if name.startswith(p)]
        return max(matching)[1] if matching else ""

    def _compare_alias(self, name: str, mine: Type) -> None:
        if mine.kind == "record":
            return
        for end, pointers in _ALIAS_ENDS:
            theirs = self._c_type(name[: len(name) - len(end)]) if name.endswith(end) else None
            if theirs is None:
                continue
            for _ in range(pointers):
                theirs = Type(kind="pointer", size=8, name=f"{theirs.name} *", target=theirs)
            self._counts["types"] += 1
            verdict = self._compare_types(theirs, mine, "field")
            if verdict is not None:
                self._add(
                    verdict.level,
                    "type",
                    name,
                    _named(theirs),
                    _named(mine),
                    verdict.consequence,
                )
            return

    def _c_type(self, name: str) -> Type | None:
        if name in self._c.typedefs:
            return self._c.typedefs[name]
        record = self._c.records.get(name)
        if record is None:
            return None
        return Type(kind="record", size=record.size, name=name, record=name)


_NO_FIELD = Field(name="", type=Type(kind="void", size=0), offset=0)


def _pair_fields(
    theirs: Record, mine: Record, c: Interface, python: Interface
) -> list[tuple[Field | None, Field | None]]:
    """Fields of both sides by name; C's unnamed members go with the Python field they match."""
    left = {field.name: field for field in mine.fields}
    pairs: list[tuple[Field | None, Field | None]] = []
    for field in theirs.fields:
        if field.name:
            pairs.append((field, left.pop(field.name, None)))
            continue
        name = _stand_in(field, left.values(), theirs, c, python)
        if name:
            pairs.append((field, left.pop(name)))
            continue
        for inner in c.records[field.type.record].fields:
            flat = Field(name=inner.name, type=inner.type, offset=field.offset + inner.offset)
            pairs.append((flat, left.pop(inner.name, None)))
    return pairs + [(None, field) for field in left.values()]


def _stand_in(
    unnamed: Field, candidates: Iterable[Field], theirs: Record, c: Interface, python: Interface
) -> str:
    """Name of the Python field that stands for an unnamed member: a record sharing its members."""
    taken = {field.name for field in theirs.fields}
    members = {field.name for field in c.records[unnamed.type.record].fields}
    for field in candidates:
        if field.name in taken or field.type.kind != "record":
            continue
        if members & {inner.name for inner in python.records[field.type.record].fields}:
            return field.name
    return ""


def _what_lies_at(field: Field, other: Record) -> str:
    """In words, what the other side has in the bytes of this field."""
    covering = [f for f in other.fields if f.offset < field.end and field.offset < f.end]
    start = f"byte {field.offset}"
    if field.type.size > 1:
        start = f"bytes {field.offset} to {field.end - 1}"
    if covering:
        names = ", ".join(f"{f.name or 'an unnamed member'} ({_named(f.type)})" for f in covering)
        return f"{start}: {names}"
    if field.offset >= other.size:
        return f"{start}: past the end of a struct of {other.size}, memory of something else"
    return f"{start}: padding"


def _place(field: Field) -> str:
    return f"{_named(field.type)} at offset {field.offset}"


def _named(kind: Type) -> str:
    name = kind.name or kind.kind
    if not kind.size or kind.kind == "pointer":
        return name
    return f"{name}, {kind.size} byte{'s' if kind.size > 1 else ''}"


def _signature(function: Function) -> str:
    args = ", ".join(arg.name for arg in function.args or ()) or "void"
    return f"{function.name}({args})"


def _library_names(function: Function) -> str:
    return ", ".join(f"lib{name}" for name in function.libraries) or "any library"


def _arity_consequence(expected: Sequence[Type], given: int) -> str:
    if given > len(expected):
        return "what Python passes beyond that is ignored, and the order may be another"
    missing = ", ".join(arg.name for arg in expected[given:])
    return f"C reads {missing} out of registers or stack that Python never set"


def counts_members(theirs: Constant, mine: Constant) -> bool:
    """Whether the difference is that C's enum has grown since its members were last counted."""
    if not theirs.enum or not _COUNTING_MEMBER.search(mine.name):
        return False
    both = isinstance(mine.value, int) and isinstance(theirs.value, int)
    return both and float(mine.value) < float(theirs.value)


def _same_value(theirs: object, mine: object) -> bool:
    if isinstance(theirs, int) and isinstance(mine, int):
        # 0xFFFFFFFF and -1 are one value in 32 bits.
        return theirs == mine or (theirs - mine) % 2**32 == 0
    return theirs == mine


def _enum_prefixes(constants: Iterable[Constant]) -> dict[str, str]:
    """The common prefix, up to an underscore, of each named enum with several members."""
    members: dict[str, list[str]] = {}
    for constant in constants:
        if constant.enum:
            members.setdefault(constant.enum, []).append(constant.name)
    prefixes = {enum: _common_prefix(names) for enum, names in members.items() if len(names) > 1}
    return {enum: prefix for enum, prefix in prefixes.items() if prefix.count("_") > 1}


def _common_prefix(names: Sequence[str]) -> str:
    first, last = min(names), max(names)
    length = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first)
    )
    return first[: first.rfind("_", 0, length) + 1]


def _shape(record: Record) -> list[tuple[int, str, int]]:
    kinds = {"enum": "int", "char": "int"}
    return [(f.offset, kinds.get(f.type.kind, f.type.kind), f.type.size) for f in record.fields]
