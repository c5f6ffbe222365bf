"""What an unpatched build exports is still there, with the same layout behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llamaproof.abi.constants import counts_members
from llamaproof.abi.findings import AbiFinding, defect, note
from llamaproof.abi.interface import Constant, Field, Function, Interface, Record, Type
from llamaproof.binary.elf import Elf

_LISTED = 20


def compare_exports(baseline: Sequence[Elf], libraries: Sequence[Elf]) -> Iterator[AbiFinding]:
    """Symbols of the baseline that are gone: C names are defects, C++ internals notes."""
    here = {elf.path.name: elf for elf in libraries}
    for old in baseline:
        new = here.get(old.path.name)
        if new is None:
            yield defect(
                "baseline.library",
                old.path.name,
                expected="a library of the baseline",
                found="not there",
                consequence="programs linked to it do not start",
            )
            continue
        gone = sorted(old.exports - new.exports)
        internal = [name for name in gone if _is_cpp(name)]
        for name in gone:
            if not _is_cpp(name):
                yield defect(
                    "baseline.symbol",
                    f"{old.path.name}: {name}",
                    expected="exported by the baseline",
                    found="not exported",
                    consequence="a program or binding that calls it does not load",
                )
        if internal:
            yield note(
                "baseline.internal",
                old.path.name,
                expected=f"{len(internal)} C++ symbols the baseline exports",
                found="gone: " + ", ".join(internal[:_LISTED]),
                consequence="no header declares them for others; a program that took them anyway "
                "does not load",
            )


def export_facts(baseline: Sequence[Elf], libraries: Sequence[Elf]) -> dict[str, Any]:
    """How many symbols were compared, and which are new, by library."""
    old = {elf.path.name: elf.exports for elf in baseline}
    return {
        elf.path.name: {
            "compared": len(old[elf.path.name]),
            "new": sorted(elf.exports - old[elf.path.name])[:_LISTED],
        }
        for elf in libraries
        if elf.path.name in old
    }


def compare_headers(old: Interface, new: Interface) -> Iterator[AbiFinding]:
    """Layouts, prototypes and values of the baseline's headers that the new ones change."""
    for record in old.records.values():
        if record.complete:
            yield from _compare_record(record, new.records.get(record.name))
    for function in old.functions.values():
        yield from _compare_function(function, new.functions.get(function.name))
    for constant in old.constants.values():
        yield from _compare_constant(constant, new.constants.get(constant.name))


def _compare_record(old: Record, new: Record | None) -> Iterator[AbiFinding]:
    if new is None or not new.complete:
        yield _changed("baseline.struct", old.name, f"{old.size} bytes", "gone, or opaque")
        return
    if (old.size, old.align) != (new.size, new.align):
        yield _changed(
            "baseline.struct",
            old.name,
            f"{old.size} bytes, aligned to {old.align}",
            f"{new.size} bytes, aligned to {new.align}",
        )
    members = {field.name: field for field in new.fields}
    for field in old.fields:
        now = members.get(field.name)
        if now is None:
            yield _changed(
                "baseline.field", f"{old.name}.{field.name}", f"at offset {field.offset}", "gone"
            )
        elif _place(field) != _place(now) or not _same(field.type, now.type):
            yield _changed(
                "baseline.field",
                f"{old.name}.{field.name}",
                f"{field.type.name} at offset {field.offset}",
                f"{now.type.name} at offset {now.offset}",
            )


def _compare_function(old: Function, new: Function | None) -> Iterator[AbiFinding]:
    if new is None:
        yield _changed("baseline.function", old.name, _prototype(old), "gone from the headers")
        return
    before = (old.result, *(old.args or ()))
    after = (new.result, *(new.args or ()))
    same = len(before) == len(after) and all(
        a is not None and b is not None and _same(a, b) for a, b in zip(before, after, strict=True)
    )
    if not same or old.variadic != new.variadic:
        yield _changed("baseline.function", old.name, _prototype(old), _prototype(new))


def _compare_constant(old: Constant, new: Constant | None) -> Iterator[AbiFinding]:
    if new is not None and (new.value == old.value or counts_members(new, old)):
        return
    yield _changed(
        "baseline.constant", old.name, str(old.value), "gone" if new is None else str(new.value)
    )


def _changed(code: str, where: str, before: str, after: str) -> AbiFinding:
    return defect(
        code,
        where,
        expected=f"{before} in the baseline",
        found=after,
        consequence="programs and bindings made for the baseline mean something else by it",
    )


def _place(field: Field) -> tuple[int, int, int]:
    return field.offset, field.bits, field.first_bit


def _same(old: Type, new: Type) -> bool:
    """Whether two C types are one, whatever typedef they are written with."""
    figures = ("kind", "size", "signed", "record", "length")
    if any(getattr(old, figure) != getattr(new, figure) for figure in figures):
        return False
    inner = ((old.target, new.target), (old.result, new.result), *_pairs(old.args, new.args))
    if len(old.args) != len(new.args):
        return False
    return all(
        a is b is None or (a is not None and b is not None and _same(a, b)) for a, b in inner
    )


def _pairs(old: Sequence[Type], new: Sequence[Type]) -> list[tuple[Type, Type]]:
    return list(zip(old, new, strict=False))


def _prototype(function: Function) -> str:
    args = ", ".join(arg.name for arg in function.args or ())
    result = function.result.name if function.result is not None else ""
    return f"{result} {function.name}({args})"


def _is_cpp(symbol: str) -> bool:
    return symbol.startswith("_Z")
