"""Constants: enumerators and macros the bindings repeat."""

from __future__ import annotations

from pathlib import Path

from tests.support.abi.toy_library import check_planted, only_defect


def test_a_shifted_enumerator_is_found_with_what_it_means_now(tmp_path: Path) -> None:
    shifted = (
        "    LLAMA_POOLING_MEAN = 1,\n",
        "    LLAMA_POOLING_CLS = 1,\n    LLAMA_POOLING_MEAN = 2,\n",
    )
    result = check_planted(tmp_path, header=[shifted])
    found = only_defect(result)
    assert (found.code, found.where) == ("constant.value", "LLAMA_POOLING_MEAN")
    assert (found.expected, found.found) == ("2 in enum llama_pooling", "1")
    assert found.consequence == "the library takes 1 for LLAMA_POOLING_CLS"


def test_an_enum_that_grew_at_its_end_is_a_note_on_its_count(tmp_path: Path) -> None:
    grown = (
        "    LLAMA_POOLING_MEAN = 1,\n",
        "    LLAMA_POOLING_MEAN = 1,\n    LLAMA_POOLING_CLS,\n",
    )
    result = check_planted(tmp_path, header=[grown])
    assert [(f.level, f.code) for f in result.findings] == [("note", "constant.count")]


def test_a_count_beyond_what_c_has_is_a_defect(tmp_path: Path) -> None:
    result = check_planted(
        tmp_path, bindings=[("LLAMA_POOLING_COUNT = 2", "LLAMA_POOLING_COUNT = 9")]
    )
    assert only_defect(result).where == "LLAMA_POOLING_COUNT"


def test_an_enumerator_c_no_longer_has_is_found(tmp_path: Path) -> None:
    result = check_planted(
        tmp_path,
        bindings=[("LLAMA_POOLING_NONE = 0\n", "LLAMA_POOLING_NONE = 0\nLLAMA_POOLING_OLD = 7\n")],
    )
    found = only_defect(result)
    assert (found.code, found.where) == ("constant.removed", "LLAMA_POOLING_OLD")
    assert found.consequence == "7 means nothing in llama_pooling"


def test_a_macro_of_another_value_is_found(tmp_path: Path) -> None:
    result = check_planted(tmp_path, header=[("LLAMA_FORMAT 3", "LLAMA_FORMAT 4")])
    found = only_defect(result)
    assert (found.where, found.expected, found.found) == ("LLAMA_FORMAT", "4", "3")


def test_a_text_macro_of_another_value_is_found(tmp_path: Path) -> None:
    result = check_planted(tmp_path, header=[("<__media__>", "<__image__>")])
    assert only_defect(result).where == "LLAMA_MARKER"


def test_one_value_in_32_bits_written_signed_or_not_is_one_value(tmp_path: Path) -> None:
    result = check_planted(
        tmp_path, bindings=[("LLAMA_DEFAULT_SEED = 0xFFFFFFFF", "LLAMA_DEFAULT_SEED = -1")]
    )
    assert result.findings == ()


def test_a_constant_no_header_has_is_a_note(tmp_path: Path) -> None:
    result = check_planted(
        tmp_path, bindings=[("LLAMA_FORMAT = 3\n", "LLAMA_FORMAT = 3\nOWN_LIMIT = 5\n")]
    )
    (found,) = result.findings
    assert (found.level, found.code, found.found) == (
        "note",
        "constant.not-in-headers",
        "OWN_LIMIT",
    )


def test_members_of_an_enum_class_count_as_constants(tmp_path: Path) -> None:
    as_class = (
        "LLAMA_PAIR_A = 0\nLLAMA_PAIR_B = 1\n",
        "import enum\n\n\nclass Pair(enum.IntEnum):\n    LLAMA_PAIR_A = 0\n    LLAMA_PAIR_B = 2\n",
    )
    assert only_defect(check_planted(tmp_path, bindings=[as_class])).where == "LLAMA_PAIR_B"
