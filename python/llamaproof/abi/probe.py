"""A generated C++ program that has the compiler say what libclang can only report.

libclang supplies names; the program prints, for each of them, size, alignment, offset, class of
type, signedness and value as the compiler that builds the libraries has them. Where the two
disagree nothing is concluded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaproof.abi import compiler as cxx
from llamaproof.abi.c_headers import Declarations, include_lines
from llamaproof.abi.interface import Constant, Function, Interface, Record, Type
from llamaproof.errors import LlamaproofError

_PROLOGUE = r"""
#include <cstddef>
#include <cstdio>
#include <type_traits>

namespace llamaproof {

template <class T> const char * kind() {
    using U = std::remove_cv_t<T>;
    if (std::is_void_v<U>)     { return "void"; }
    if (std::is_same_v<U, bool>) { return "bool"; }
    if (std::is_same_v<U, char>) { return "char"; }
    if (std::is_enum_v<U>)     { return "enum"; }
    if (std::is_integral_v<U>) { return "int"; }
    if (std::is_floating_point_v<U>) { return "float"; }
    if (std::is_pointer_v<U> || std::is_reference_v<U>) { return "pointer"; }
    if (std::is_array_v<U>)    { return "array"; }
    if (std::is_union_v<U> || std::is_class_v<U>) { return "record"; }
    return "unknown";
}

template <class T, bool IsEnum = std::is_enum_v<T>> struct stored { using type = T; };
template <class T> struct stored<T, true> { using type = std::underlying_type_t<T>; };

template <class T, class = void> struct size_of { static constexpr size_t value = 0; };
template <class T> struct size_of<T, std::void_t<decltype(sizeof(T))>> {
    static constexpr size_t value = sizeof(T);
};
template <> struct size_of<void> { static constexpr size_t value = 0; };

template <class T> void type() {
    using U = std::remove_cv_t<T>;
    std::printf(" %s:%zu:%d", kind<U>(), size_of<U>::value,
                int(std::is_signed_v<typename stored<U>::type>));
}

template <class T> struct signature;
template <class R, class... A> struct signature<R (*)(A...)> {
    static void print() { type<R>(); (type<A>(), ...); }
};
template <class R, class... A> struct signature<R (*)(A..., ...)> {
    static void print() { type<R>(); (type<A>(), ...); }
};

// The type alone is asked for: there is no library to take an address from.
template <class T> void function(const char * name) {
    std::printf("F %s", name);
    signature<T>::print();
    std::puts("");
}

template <class T> void constant(const char * name, T value) {
    if constexpr (std::is_enum_v<T>) {
        constant(name, std::underlying_type_t<T>(value));
    } else if constexpr (std::is_floating_point_v<T>) {
        std::printf("C %s float %.17g\n", name, double(value));
    } else if constexpr (std::is_signed_v<T>) {
        std::printf("C %s int %lld\n", name, (long long) value);
    } else {
        std::printf("C %s int %llu\n", name, (unsigned long long) value);
    }
}
inline void constant(const char * name, const char * value) {
    std::printf("C %s str %s\n", name, value);
}

}  // namespace llamaproof

// offsetof on a type that is not standard layout is a warning in GCC and right on this ABI.
int main() {
"""


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What the program printed: (kind, size, signed) by what it is about."""

    records: Mapping[str, tuple[int, int]]
    fields: Mapping[tuple[str, str], tuple[int, str, int, bool]]
    functions: Mapping[str, tuple[tuple[str, int, bool], ...]]
    typedefs: Mapping[str, tuple[str, int, bool]]
    constants: Mapping[str, int | float | str]


def ask_compiler(
    found: Declarations, compiler: cxx.Compiler, *, wanted_constants: Iterable[str]
) -> Interface:
    """The C side of the comparison, every number of it confirmed by the compiler.

    Args:
        found: what libclang read.
        compiler: what compiles the probe.
        wanted_constants: names to look up among the macros.

    Raises:
        BadInput: the probe does not compile.
        LlamaproofError: libclang and the compiler disagree.
    """
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        source = Path(scratch) / "probe.cpp"
        source.write_text(include_lines(found.headers.files), encoding="utf-8")
        defined = cxx.macros(compiler, source, found.headers.includes)
        macro_names = sorted(set(wanted_constants) & set(defined) - set(found.enumerators))
        source.write_text("".join(_program(found, macro_names)), encoding="utf-8")
        facts = _parse(cxx.compile_and_run(compiler, source, found.headers.includes))
    _refuse_disagreement(found, facts)
    return _interface(found, facts, macro_names)


def _program(found: Declarations, macro_names: Iterable[str]) -> Iterator[str]:
    yield include_lines(found.headers.files)
    yield _PROLOGUE
    for position, record in enumerate(_complete(found)):
        alias = f"R{position}"
        yield f"    using {alias} = {_spelling(record, found)};\n"
        yield f'    std::printf("R {record.name} %zu %zu\\n", sizeof({alias}), alignof({alias}));\n'
        yield from _field_lines(record.name, record, alias, alias, found)
    for name, constant in found.enumerators.items():
        yield f'    llamaproof::constant("{constant.name}", {name});\n'
    for name in macro_names:
        yield f'    llamaproof::constant("{name}", {name});\n'
    for name in _plain_typedefs(found):
        yield f'    std::printf("T {name}"); llamaproof::type<{name}>(); std::puts("");\n'
    for function in found.functions.values():
        if not function.variadic:
            yield (f'    llamaproof::function<decltype(&{function.name})>("{function.name}");\n')
    yield "}\n"


def _field_lines(
    owner: str, record: Record, alias: str, parent: str, found: Declarations
) -> Iterator[str]:
    """Lines for each field; members of an anonymous record are asked for through its parent."""
    for position, field in enumerate(record.fields):
        inner = found.nested.get(field.type.record) if field.type.kind == "record" else None
        if inner is not None and not field.name:
            yield from _field_lines(inner.name, inner, alias, parent, found)
            continue
        if not field.name or field.bits:
            continue
        member = f"{alias}_{position}_{len(owner)}"
        yield f"    using {member} = decltype({parent}::{field.name});\n"
        yield (
            f'    std::printf("O {owner} {field.name} %zu", offsetof({parent}, {field.name})); '
            f'llamaproof::type<{member}>(); std::puts("");\n'
        )
        if inner is not None:
            yield (
                f'    std::printf("R {inner.name} %zu %zu\\n", sizeof({member}), '
                f"alignof({member}));\n"
            )
            yield from _field_lines(inner.name, inner, member, member, found)


def _complete(found: Declarations) -> list[Record]:
    return [r for r in found.records.values() if r.complete]


def _spelling(record: Record, found: Declarations) -> str:
    # A function of the same name hides the record; a typedef of an unnamed record has no tag.
    return f"{record.kind} {record.name}" if record.name in found.functions else record.name


def _plain_typedefs(found: Declarations) -> list[str]:
    return [name for name, kind in found.typedefs.items() if name not in found.functions]


def _parse(lines: Iterable[str]) -> _Facts:
    records: dict[str, tuple[int, int]] = {}
    fields: dict[tuple[str, str], tuple[int, str, int, bool]] = {}
    functions: dict[str, tuple[tuple[str, int, bool], ...]] = {}
    typedefs: dict[str, tuple[str, int, bool]] = {}
    constants: dict[str, int | float | str] = {}
    readers = {"int": int, "float": float, "str": str}
    for line in lines:
        tag, name, *rest = line.split(" ")
        if tag == "R":
            records[name] = (int(rest[0]), int(rest[1]))
        elif tag == "O":
            fields[name, rest[0]] = (int(rest[1]), *_type_fact(rest[2]))
        elif tag == "F":
            functions[name] = tuple(_type_fact(word) for word in rest)
        elif tag == "T":
            typedefs[name] = _type_fact(rest[0])
        elif tag == "C":
            constants[name] = readers[rest[0]](" ".join(rest[1:]))
    return _Facts(
        records=records,
        fields=fields,
        functions=functions,
        typedefs=typedefs,
        constants=constants,
    )


def _type_fact(word: str) -> tuple[str, int, bool]:
    kind, size, signed = word.split(":")
    return kind, int(size), signed == "1"


def _refuse_disagreement(found: Declarations, facts: _Facts) -> None:
    doubts = list(_disagreements(found, facts))
    if doubts:
        raise LlamaproofError(
            "the compiler and libclang read the headers differently: " + "; ".join(doubts[:5]),
            where=found.headers.files[0].parent,
            hint="nothing can be concluded from these headers with this compiler; try another "
            "with CXX=",
        )


def _disagreements(found: Declarations, facts: _Facts) -> Iterator[str]:
    bases = _anonymous_bases(found)
    for record in [*_complete(found), *found.nested.values()]:
        yield from _disagreements_on_record(record, bases.get(record.name, 0), facts)
    for name, told in facts.functions.items():
        yield from _disagreements_on_function(found.functions[name], told)
    for name, constant in found.enumerators.items():
        if facts.constants.get(name) != constant.value:
            yield f"{name} is {facts.constants.get(name)}, not {constant.value}"


def _disagreements_on_record(record: Record, base: int, facts: _Facts) -> Iterator[str]:
    told = facts.records.get(record.name)
    if told is not None and told != (record.size, record.align):
        yield f"{record.name} has size and alignment {told}, not {record.size, record.align}"
    for field in record.fields:
        fact = facts.fields.get((record.name, field.name))
        if fact is None:
            continue
        if not _agrees(field.type, fact[1:]):
            yield f"{record.name}.{field.name} is {fact[1:]}, not {field.type}"
        if fact[0] != base + field.offset:
            yield f"{record.name}.{field.name} is at {fact[0]}, not {base + field.offset}"


def _disagreements_on_function(
    function: Function, told: Sequence[tuple[str, int, bool]]
) -> Iterator[str]:
    types = (function.result, *(function.args or ()))
    if len(types) != len(told):
        yield f"{function.name} takes {len(told) - 1} arguments, not {len(types) - 1}"
    for mine, fact in zip(types, told, strict=False):
        if mine is not None and not _agrees(mine, fact):
            yield f"a type of {function.name} is {fact}, not {mine}"


def _anonymous_bases(found: Declarations) -> dict[str, int]:
    """Offset in its parent of each anonymous record: its members are asked for from there."""
    bases: dict[str, int] = {}
    # A parent precedes its children neither in `records` nor in `nested`: walk down from the top.
    pending = [(record, 0) for record in _complete(found)]
    while pending:
        record, base = pending.pop()
        for field in record.fields:
            inner = found.nested.get(field.type.record) if field.type.kind == "record" else None
            if inner is None:
                continue
            bases[inner.name] = 0 if field.name else base + field.offset
            pending.append((inner, bases[inner.name]))
    return bases


def _agrees(mine: Type, fact: tuple[str, int, bool]) -> bool:
    kind, size, signed = fact
    if mine.kind == "unknown":
        return True
    if kind != mine.kind or (size != mine.size and mine.kind != "function"):
        return False
    return mine.kind not in ("int", "enum", "char") or signed == mine.signed


def _interface(found: Declarations, facts: _Facts, macro_names: Iterable[str]) -> Interface:
    constants = dict(found.enumerators)
    for name in macro_names:
        constants[name] = Constant(name=name, module="#define", value=facts.constants[name])
    return Interface(
        records=found.records | found.nested,
        functions=found.functions,
        constants=constants,
        typedefs=found.typedefs,
        modules={},
        headers=tuple(path.name for path in found.headers.files),
    )
