"""Structs: each way a ctypes Structure can stray from its C struct is found by name."""

from __future__ import annotations

from pathlib import Path

from llamaproof.reports.outcome import Outcome
from tests.support.abi.toy_library import check_planted, only_defect, places


def test_a_pair_that_matches_gives_no_finding_at_all(tmp_path: Path) -> None:
    result = check_planted(tmp_path)
    assert result.findings == ()
    assert result
    assert result.counts["structs"] == 3
    assert result.counts["fields"] == 9 + 3 + 3 + 3 + 2
    assert result.counts["functions"] == 9
    assert result.counts["arguments"] == 14
    assert result.counts["constants"] == 9
    assert result.counts["types"] == 4


def test_two_swapped_fields_of_one_type_are_both_named(tmp_path: Path) -> None:
    swapped = (
        '("n_ctx", ctypes.c_int32),\n        ("n_batch", ctypes.c_int32)',
        '("n_batch", ctypes.c_int32),\n        ("n_ctx", ctypes.c_int32)',
    )
    result = check_planted(tmp_path, bindings=[swapped])
    assert places(result) == [
        ("struct.field-offset", "llama_params.n_ctx"),
        ("struct.field-offset", "llama_params.n_batch"),
    ]
    first = result.defects[0]
    assert (first.expected, first.found) == (
        "int32_t, 4 bytes at offset 0",
        "c_int, 4 bytes at offset 4",
    )
    assert "the library's n_ctx is bytes 0 to 3: n_batch" in first.consequence


def test_a_field_dropped_at_the_end_is_read_past_the_struct(tmp_path: Path) -> None:
    result = check_planted(tmp_path, bindings=[('        ("n_split", ctypes.c_size_t),\n', "")])
    found = only_defect(result)
    assert (found.code, found.where) == ("struct.field-missing", "llama_params.n_split")
    assert found.found == "no such field"
    assert "bytes 48 to 55: past the end of a struct of 48" in found.consequence


def test_a_field_dropped_in_the_middle_moves_the_rest(tmp_path: Path) -> None:
    result = check_planted(tmp_path, bindings=[('        ("scale", ctypes.c_float),\n', "")])
    # pooling takes its place, and all that follows moves up with it.
    assert places(result) == [
        ("struct.field-missing", "llama_params.scale"),
        *(
            ("struct.field-offset", f"llama_params.{name}")
            for name in ("pooling", "progress", "user_data", "split", "n_split")
        ),
    ]
    assert "bytes 12 to 15: pooling" in result.defects[0].consequence


def test_a_field_too_many_is_named(tmp_path: Path) -> None:
    more = (
        '("user_data", ctypes.c_void_p),',
        '("user_data", ctypes.c_void_p), ("x", ctypes.c_int),',
    )
    result = check_planted(tmp_path, bindings=[more])
    assert ("struct.field-extra", "llama_params.x") in places(result)
    assert ("struct.field-offset", "llama_params.split") in places(result)


def test_a_bool_made_an_int_is_found_though_padding_hides_it(tmp_path: Path) -> None:
    result = check_planted(
        tmp_path, bindings=[('("flash_attn", ctypes.c_bool)', '("flash_attn", ctypes.c_int)')]
    )
    found = only_defect(result)
    assert (found.code, found.where) == ("struct.field-type", "llama_params.flash_attn")
    assert (found.expected, found.found) == (
        "bool, 1 byte at offset 8",
        "c_int, 4 bytes at offset 8",
    )
    assert "takes in bytes 9 to 11: padding" in found.consequence


def test_an_int_made_a_bool_is_found_though_padding_hides_it(tmp_path: Path) -> None:
    result = check_planted(
        tmp_path, header=[("bool                flash", "int32_t             flash")]
    )
    found = only_defect(result)
    assert (found.code, found.where) == ("struct.field-type", "llama_params.flash_attn")
    assert (
        "the library's flash_attn is bytes 8 to 11: flash_attn (c_bool, 1 byte)"
        in found.consequence
    )


def test_a_float_read_as_an_integer_is_found_at_equal_size(tmp_path: Path) -> None:
    result = check_planted(
        tmp_path, bindings=[('("scale", ctypes.c_float)', '("scale", ctypes.c_int32)')]
    )
    assert only_defect(result).where == "llama_params.scale"


def test_a_sign_lost_is_found_at_equal_size(tmp_path: Path) -> None:
    result = check_planted(
        tmp_path, bindings=[('("n_ctx", ctypes.c_int32)', '("n_ctx", ctypes.c_uint32)')]
    )
    assert "negative value reads as a large number" in only_defect(result).consequence


def test_an_enum_with_negative_members_must_not_be_unsigned(tmp_path: Path) -> None:
    result = check_planted(
        tmp_path, bindings=[('("pooling", ctypes.c_int)', '("pooling", ctypes.c_uint)')]
    )
    assert only_defect(result).where == "llama_params.pooling"


def test_an_enum_without_negative_members_may_be_either(tmp_path: Path) -> None:
    result = check_planted(tmp_path, bindings=[('("tag", ctypes.c_int)', '("tag", ctypes.c_uint)')])
    assert result.findings == ()


def test_an_array_of_another_length_is_found(tmp_path: Path) -> None:
    result = check_planted(tmp_path, bindings=[("llama_token * 4", "llama_token * 3")])
    assert ("struct.field-type", "llama_group.tokens") in places(result)


def test_a_member_of_an_anonymous_union_is_compared(tmp_path: Path) -> None:
    result = check_planted(
        tmp_path, bindings=[('("val_f64", ctypes.c_double)', '("val_f64", ctypes.c_float)')]
    )
    assert places(result) == [("struct.field-type", "llama_override.value.val_f64")]


def test_a_union_made_a_struct_is_found(tmp_path: Path) -> None:
    result = check_planted(
        tmp_path,
        bindings=[
            (
                "class llama_override_value(ctypes.Union)",
                "class llama_override_value(ctypes.Structure)",
            )
        ],
    )
    assert ("struct.kind", "llama_override.value") in places(result)


def test_a_member_of_an_unnamed_struct_is_compared(tmp_path: Path) -> None:
    swapped = (
        '[("alpha", ctypes.c_float), ("beta", ctypes.c_float)]',
        '[("beta", ctypes.c_float), ("alpha", ctypes.c_float)]',
    )
    result = check_planted(tmp_path, bindings=[swapped])
    assert places(result) == [
        ("struct.field-offset", "llama_group.rates.alpha"),
        ("struct.field-offset", "llama_group.rates.beta"),
    ]


def test_a_packed_struct_is_found(tmp_path: Path) -> None:
    result = check_planted(
        tmp_path,
        bindings=[
            (
                "class llama_group_rates(ctypes.Structure):\n",
                "class llama_group_rates(ctypes.Structure):\n    _pack_ = 1\n    _layout_ = 'ms'\n",
            )
        ],
    )
    assert ("struct.align", "llama_group.rates") in places(result)


def test_a_callback_with_an_argument_less_is_found(tmp_path: Path) -> None:
    short = (
        "CFUNCTYPE(ctypes.c_bool, ctypes.c_float, ctypes.c_void_p)",
        "CFUNCTYPE(ctypes.c_bool, ctypes.c_float)",
    )
    result = check_planted(tmp_path, bindings=[short])
    assert places(result) == [
        ("struct.field-type", "llama_params.progress"),
        ("type", "llama_progress"),
    ]
    assert "C calls back with 2 arguments" in result.defects[0].consequence


def test_a_struct_the_headers_do_not_have_is_found(tmp_path: Path) -> None:
    extra = "class llama_gone(ctypes.Structure):\n    _fields_ = [('a', ctypes.c_int)]\n\n\n"
    result = check_planted(
        tmp_path, bindings=[("class llama_group(", f"{extra}class llama_group(")]
    )
    assert places(result) == [("struct.unknown", "llama_gone")]


def test_a_struct_that_c_keeps_opaque_is_found(tmp_path: Path) -> None:
    extra = "class llama_model(ctypes.Structure):\n    _fields_ = [('a', ctypes.c_int)]\n\n\n"
    result = check_planted(
        tmp_path, bindings=[("class llama_group(", f"{extra}class llama_group(")]
    )
    assert places(result) == [("struct.opaque", "llama_model")]


def test_a_byte_swapped_struct_cannot_be_checked(tmp_path: Path) -> None:
    result = check_planted(
        tmp_path,
        bindings=[
            (
                "class llama_group_rates(ctypes.Structure)",
                "class llama_group_rates(ctypes.BigEndianStructure)",
            )
        ],
    )
    assert result.outcome is Outcome.NOT_CHECKED
    assert {f.level for f in result.findings} == {"unchecked"}


def test_bit_fields_are_compared(tmp_path: Path) -> None:
    header = (
        "struct llama_group {",
        "struct llama_bits { uint32_t low : 10; uint32_t high : 5; };\n\nstruct llama_group {",
    )
    text = (
        "class llama_bits(ctypes.Structure):\n"
        "    _fields_ = [('low', ctypes.c_uint32, 10), ('high', ctypes.c_uint32, {})]\n\n\n"
    )
    right = check_planted(
        tmp_path / "right",
        header=[header],
        bindings=[("class llama_group(", text.format(5) + "class llama_group(")],
    )
    assert places(right) == []
    wrong = check_planted(
        tmp_path / "wrong",
        header=[header],
        bindings=[("class llama_group(", text.format(6) + "class llama_group(")],
    )
    assert ("struct.field-bits", "llama_bits.high") in places(wrong)
