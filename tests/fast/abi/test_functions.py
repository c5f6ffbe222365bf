"""Functions: arity, argument types, results, names and exports, each planted defect found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.abi.toy_library import Change, check_planted, only_defect, places

_TOKENIZE = "[llama_model_p_ctypes, ctypes.c_char_p, llama_token_p, ctypes.c_int32, ctypes.c_bool]"


def _tokenize(*arguments: str) -> Change:
    return _TOKENIZE, f"[{', '.join(arguments)}]"


def test_a_missing_argument_is_named(tmp_path: Path) -> None:
    short = _tokenize("llama_model_p_ctypes", "ctypes.c_char_p", "llama_token_p", "ctypes.c_int32")
    found = only_defect(check_planted(tmp_path, bindings=[short]))
    assert (found.code, found.where) == ("function.arity", "llama_tokenize")
    assert found.expected.startswith("5 arguments: llama_tokenize(const struct llama_model *")
    assert found.consequence.startswith("C reads bool out of registers or stack")


def test_an_argument_too_many_is_named(tmp_path: Path) -> None:
    more = (
        "[llama_model_p_ctypes], ctypes.c_uint64",
        "[llama_model_p_ctypes, ctypes.c_int], ctypes.c_uint64",
    )
    found = only_defect(check_planted(tmp_path, bindings=[more]))
    assert (found.code, found.where, found.found) == ("function.arity", "llama_size", "2 arguments")


def test_a_pointer_result_left_at_ctypes_default_is_found(tmp_path: Path) -> None:
    undeclared = (
        '@ctypes_function("llama_load", [ctypes.c_char_p, llama_params], llama_model_p_ctypes)\n'
        "def llama_load(path, params, /): ...",
        "llama_load = _lib.llama_load\nllama_load.argtypes = [ctypes.c_char_p, llama_params]",
    )
    found = only_defect(check_planted(tmp_path, bindings=[undeclared]))
    assert (found.code, found.where) == ("function.result-undeclared", "llama_load")
    assert found.expected == "returns struct llama_model *"
    assert found.consequence == "Python keeps 4 of 8 bytes: an address is cut"


def test_an_int_result_left_at_ctypes_default_is_a_note(tmp_path: Path) -> None:
    undeclared = (
        '@ctypes_function("llama_layers", [llama_model_p_ctypes], ctypes.c_int32)\n'
        "def llama_layers(model, /): ...",
        "llama_layers = _lib.llama_layers\nllama_layers.argtypes = [llama_model_p_ctypes]",
    )
    result = check_planted(tmp_path, bindings=[undeclared])
    assert [(f.level, f.code) for f in result.findings] == [("note", "function.result-undeclared")]


def test_a_result_declared_where_c_returns_nothing_is_found(tmp_path: Path) -> None:
    wrong = (
        '"llama_free", [llama_model_p_ctypes], None',
        '"llama_free", [llama_model_p_ctypes], ctypes.c_int',
    )
    assert places(check_planted(tmp_path, bindings=[wrong])) == [
        ("function.result-type", "llama_free")
    ]


def test_undeclared_arguments_are_found(tmp_path: Path) -> None:
    undeclared = (
        '@ctypes_function("llama_size", [llama_model_p_ctypes], ctypes.c_uint64)\n'
        "def llama_size(model, /): ...",
        "llama_size = _lib.llama_size\nllama_size.restype = ctypes.c_uint64",
    )
    found = only_defect(check_planted(tmp_path, bindings=[undeclared]))
    assert (found.code, found.where) == ("function.arguments-undeclared", "llama_size")


def test_a_function_that_is_only_looked_for_is_nobodys_mistake(tmp_path: Path) -> None:
    looked_for = (
        "LLAMA_FORMAT = 3\n",
        'LLAMA_FORMAT = 3\nhas_size = hasattr(_lib, "llama_sized")\n',
    )
    assert check_planted(tmp_path, bindings=[looked_for]).findings == ()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "ctypes.c_int32, ctypes.c_bool]",
            "ctypes.c_int64, ctypes.c_bool]",
            "large values are cut",
        ),
        (
            "ctypes.c_int32, ctypes.c_bool]",
            "ctypes.c_float, ctypes.c_bool]",
            "integer are read as a floating",
        ),
        (
            "ctypes.c_char_p, llama_token_p",
            "ctypes.c_int, llama_token_p",
            "passes 4 bytes where C reads 8",
        ),
        (
            "llama_token_p, ctypes.c_int32",
            "ctypes.POINTER(ctypes.c_int64), ctypes.c_int32",
            "behind the pointer",
        ),
    ],
)
def test_an_argument_of_another_type_is_found(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    found = only_defect(check_planted(tmp_path, bindings=[(old, new)]))
    assert found.code == "function.argument-type"
    assert found.where.startswith("llama_tokenize, argument ")
    assert says in found.consequence


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "[llama_model_p_ctypes], ctypes.c_uint64",
            "[llama_model_p_ctypes], ctypes.c_uint32",
            "4 of 8 bytes",
        ),
        (
            "[llama_model_p_ctypes], ctypes.c_uint64",
            "[llama_model_p_ctypes], ctypes.c_int64",
            "reads as negative",
        ),
        (
            "[llama_model_p_ctypes], ctypes.c_uint64",
            "[llama_model_p_ctypes], ctypes.c_double",
            "floating",
        ),
        (
            "ctypes.POINTER(llama_group)], ctypes.c_bool",
            "ctypes.POINTER(llama_group)], ctypes.c_int",
            "left over",
        ),
    ],
)
def test_a_result_of_another_type_is_found(tmp_path: Path, old: str, new: str, says: str) -> None:
    found = only_defect(check_planted(tmp_path, bindings=[(old, new)]))
    assert found.code == "function.result-type"
    assert says in found.consequence


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ctypes.c_char_p, llama_token_p", "ctypes.POINTER(ctypes.c_char), llama_token_p"),
        ("ctypes.c_char_p, llama_token_p", "ctypes.POINTER(ctypes.c_uint8), llama_token_p"),
        ("ctypes.c_char_p, llama_token_p", "ctypes.c_void_p, llama_token_p"),
        ("ctypes.POINTER(llama_group)], ", "ctypes.c_void_p], "),
        ("[llama_model_p_ctypes], ctypes.c_char_p", "[llama_model_p_ctypes], ctypes.c_void_p"),
    ],
)
def test_spellings_of_one_address_are_alike(tmp_path: Path, old: str, new: str) -> None:
    assert check_planted(tmp_path, bindings=[(old, new)]).findings == ()


def test_an_argument_of_another_struct_is_found(tmp_path: Path) -> None:
    result = check_planted(
        tmp_path, bindings=[("ctypes.POINTER(llama_group)], ", "ctypes.POINTER(llama_params)], ")]
    )
    assert "C has llama_group (" in only_defect(result).consequence


def test_a_function_gone_from_the_headers_is_found(tmp_path: Path) -> None:
    gone = ("LLAMA_API uint64_t llama_size(const struct llama_model * model);\n", "")
    found = only_defect(check_planted(tmp_path, header=[gone]))
    assert (found.code, found.where) == ("function.removed", "llama_size")


def test_a_function_bound_under_anothers_name_is_found(tmp_path: Path) -> None:
    wrong = (
        '@ctypes_function("llama_layers", [llama_model_p_ctypes], ctypes.c_int32)',
        '@ctypes_function("llama_size", [llama_model_p_ctypes], ctypes.c_uint64)',
    )
    found = only_defect(check_planted(tmp_path, bindings=[wrong]))
    assert (found.code, found.where) == ("function.wrong-name", "llama_layers")
    assert found.consequence == "calling llama_layers calls llama_size"


def test_functions_nobody_binds_are_listed_and_no_defect(tmp_path: Path) -> None:
    more = (
        "LLAMA_API void llama_free(",
        "LLAMA_API void llama_reset(void);\nLLAMA_API void llama_free(",
    )
    result = check_planted(tmp_path, header=[more])
    assert result.findings == ()
    assert result.facts["unbound_functions"] == ["llama_reset"]


def test_a_changed_prototype_is_found_from_the_headers_side(tmp_path: Path) -> None:
    changed = (
        "llama_load(const char * path, struct llama_params params)",
        "llama_load(const char * path, const struct llama_params * params)",
    )
    found = only_defect(check_planted(tmp_path, header=[changed]))
    assert (found.code, found.where) == ("function.argument-type", "llama_load, argument 2")


def test_a_function_called_without_ever_being_declared_is_found(tmp_path: Path) -> None:
    lazy = (
        '@ctypes_function("llama_name", [llama_model_p_ctypes], ctypes.c_char_p)\n'
        "def llama_name(model, /): ...",
        "def llama_name(model, /):\n    return _lib.llama_name(model)",
    )
    result = check_planted(tmp_path, bindings=[lazy])
    assert places(result) == [
        ("function.result-undeclared", "llama_name"),
        ("function.arguments-undeclared", "llama_name"),
    ]


def test_declarations_made_on_the_library_itself_are_read(tmp_path: Path) -> None:
    old_style = (
        '@ctypes_function("llama_name", [llama_model_p_ctypes], ctypes.c_char_p)\n'
        "def llama_name(model, /): ...",
        "def llama_name(model, /):\n    return _lib.llama_name(model)\n\n\n"
        "_lib.llama_name.argtypes = [llama_model_p_ctypes]\n"
        "_lib.llama_name.restype = ctypes.c_char_p",
    )
    assert check_planted(tmp_path, bindings=[old_style]).findings == ()
