"""Whatever single thing of matching bindings is changed, a defect is found at that place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamaproof.abi.bindings import read_bindings
from llamaproof.abi.c_headers import locate_headers, parse
from llamaproof.abi.compare import BindingsComparison, compare
from llamaproof.abi.compiler import find_compiler
from llamaproof.abi.interface import Field, Interface, Record, Type
from llamaproof.abi.probe import ask_compiler
from tests.support.abi.toy_library import write_pair

Sides = tuple[Interface, Interface]
_NUMBERS = ("int", "enum", "bool", "float", "char")


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Sides:
    """Both sides of the pair that matches."""
    folder = write_pair(tmp_path_factory.mktemp("pair"))
    compiler = find_compiler()
    declared = parse(locate_headers([folder / "headers"]), compiler)
    python = read_bindings(folder / "llama_cpp", symbols=None)
    return ask_compiler(declared, compiler, wanted_constants=python.constants), python


def _laid_out(record: Record, fields: Sequence[Field]) -> Record:
    """The record with other fields, laid out as the ABI lays a struct of natural alignment."""
    offset, largest, placed = 0, 1, []
    for member in fields:
        # No member of the toy is a record aligned to less than it is large and than 8 bytes.
        element = member.type.target if member.type.kind == "array" else member.type
        assert element is not None
        align = min(element.size, 8)
        offset = -(-offset // align) * align
        placed.append(replace(member, offset=offset))
        offset += member.type.size
        largest = max(largest, align)
    size = -(-offset // largest) * largest
    return replace(record, fields=tuple(placed), size=size, align=largest)


def _with_record(python: Interface, key: str, record: Record) -> Interface:
    return replace(python, records={**python.records, key: record})


def _defects(result: BindingsComparison) -> list[str]:
    return [f.where for f in result.findings if f.level == "defect"]


def _flat_records(python: Interface) -> list[str]:
    """Structs with scalar and pointer members alone: the others are laid out by their parts."""
    kinds = {"record", "array"}
    return sorted(
        key
        for key, record in python.records.items()
        if record.kind == "struct" and not any(f.type.kind in kinds for f in record.fields)
    )


def test_the_pair_matches(sides: Sides) -> None:
    assert compare(*sides, exports=None).findings == ()


@given(data=st.data())
@settings(deadline=None)
def test_any_dropped_field_is_named(sides: Sides, data: st.DataObject) -> None:
    c, python = sides
    key = data.draw(st.sampled_from(_flat_records(python)))
    record = python.records[key]
    gone = data.draw(st.sampled_from(record.fields))
    rest = _laid_out(record, [f for f in record.fields if f is not gone])
    found = _defects(compare(c, _with_record(python, key, rest), exports=None))
    assert any(where.endswith(f".{gone.name}") for where in found)


@given(data=st.data())
@settings(deadline=None)
def test_any_two_fields_swapped_are_named(sides: Sides, data: st.DataObject) -> None:
    c, python = sides
    key = data.draw(st.sampled_from(_flat_records(python)))
    record = python.records[key]
    first, second = sorted(
        data.draw(
            st.lists(st.integers(0, len(record.fields) - 1), min_size=2, max_size=2, unique=True)
        )
    )
    fields = list(record.fields)
    fields[first], fields[second] = fields[second], fields[first]
    moved = _laid_out(record, fields)
    found = _defects(compare(c, _with_record(python, key, moved), exports=None))
    assert any(where.endswith(f".{record.fields[first].name}") for where in found)
    assert any(where.endswith(f".{record.fields[second].name}") for where in found)


_CHANGES: tuple[Callable[[Type], Type], ...] = (
    lambda t: replace(t, kind="float" if t.kind != "float" else "int"),
    lambda t: replace(t, size=t.size * 2) if t.kind != "pointer" else replace(t, kind="float"),
    lambda t: replace(t, kind="record", record="llama_cpp.llama_cpp.llama_group_rates"),
)


@given(data=st.data())
@settings(deadline=None)
def test_any_field_of_another_kind_or_size_is_named(sides: Sides, data: st.DataObject) -> None:
    c, python = sides
    key = data.draw(st.sampled_from(_flat_records(python)))
    record = python.records[key]
    index = data.draw(st.integers(0, len(record.fields) - 1))
    field = record.fields[index]
    changed = replace(field, type=data.draw(st.sampled_from(_CHANGES))(field.type))
    # The offsets stay: padding, or luck, hides the change from a look at the struct's size.
    fields = (*record.fields[:index], changed, *record.fields[index + 1 :])
    other = _with_record(python, key, replace(record, fields=fields))
    found = _defects(compare(c, other, exports=None))
    assert len(found) == 1
    assert found[0].endswith(f".{field.name}")


@given(data=st.data())
@settings(deadline=None)
def test_any_dropped_argument_is_named(sides: Sides, data: st.DataObject) -> None:
    c, python = sides
    candidates = sorted(key for key, f in python.functions.items() if f.args)
    key = data.draw(st.sampled_from(candidates))
    function = python.functions[key]
    assert function.args is not None
    index = data.draw(st.integers(0, len(function.args) - 1))
    args = (*function.args[:index], *function.args[index + 1 :])
    other = replace(python, functions={**python.functions, key: replace(function, args=args)})
    assert _defects(compare(c, other, exports=None)) == [function.name]


@given(data=st.data())
@settings(deadline=None)
def test_any_constant_of_another_value_is_named(sides: Sides, data: st.DataObject) -> None:
    c, python = sides
    numbers = sorted(n for n, k in python.constants.items() if isinstance(k.value, int))
    name = data.draw(st.sampled_from(numbers))
    by = data.draw(st.integers(1, 2**31))
    constant = python.constants[name]
    assert isinstance(constant.value, int)
    other = replace(
        python,
        constants={**python.constants, name: replace(constant, value=constant.value + by)},
    )
    assert _defects(compare(c, other, exports=None)) == [name]


@given(data=st.data())
@settings(deadline=None)
def test_any_function_not_exported_is_named(sides: Sides, data: st.DataObject) -> None:
    c, python = sides
    names = sorted(f.name for f in python.functions.values())
    hidden = data.draw(st.sampled_from(names))
    exports = {"llama": frozenset(names) - {hidden}}
    assert _defects(compare(c, python, exports=exports)) == [hidden]


def test_every_kind_of_number_takes_part(sides: Sides) -> None:
    kinds = {f.type.kind for record in sides[0].records.values() for f in record.fields}
    assert kinds >= set(_NUMBERS) - {"char"} | {"pointer", "record", "array"}


def test_the_worker_leaves_no_file_behind(tmp_path: Path) -> None:
    package = write_pair(tmp_path) / "llama_cpp"
    read_bindings(package, symbols=None)
    assert [path.name for path in package.iterdir()] == ["llama_cpp.py"]
