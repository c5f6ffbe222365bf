"""Pairs of trees that cannot be checked are said to be so, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof.abi import compiler
from llamaproof.abi.bindings import read_bindings
from llamaproof.abi.check import check_pair
from llamaproof.errors import BadInput, CommandFailed, LlamaproofError
from llamaproof.reports.outcome import Outcome
from tests.support.abi.toy_library import HEADER, check, places, write_pair


def test_a_header_with_a_syntax_error_is_refused_with_its_place(tmp_path: Path) -> None:
    write_pair(tmp_path, header=[("    int32_t             n_batch;", "    int32_t n_batch")])
    with pytest.raises(BadInput, match="do not parse") as caught:
        check(tmp_path)
    assert "llama.h:" in caught.value.where


def test_a_header_that_includes_what_is_not_there_is_refused(tmp_path: Path) -> None:
    # libclang would carry on, and report every struct that needs it as one byte long.
    write_pair(
        tmp_path, header=[("#include <stddef.h>", "#include <stddef.h>\n#include <no/such.h>")]
    )
    with pytest.raises(BadInput, match=r"'no/such.h' file not found"):
        check(tmp_path)


def test_a_header_twice_is_refused(tmp_path: Path) -> None:
    write_pair(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "llama.h").write_text(HEADER)
    with pytest.raises(BadInput, match=r"llama\.h is there more than once"):
        check_pair(tmp_path, [tmp_path / "headers", other])


def test_no_header_at_all_is_refused(tmp_path: Path) -> None:
    write_pair(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no header found"):
        check_pair(tmp_path, [tmp_path / "empty"])
    with pytest.raises(BadInput, match="no such folder"):
        check_pair(tmp_path, [tmp_path / "absent"])


def test_a_folder_without_bindings_is_refused(tmp_path: Path) -> None:
    write_pair(tmp_path)
    with pytest.raises(BadInput, match="no ctypes bindings"):
        check_pair(tmp_path / "headers", [tmp_path / "headers"])


@pytest.mark.parametrize(
    ("planted", "reason"),
    [
        ("raise RuntimeError('not today')", "RuntimeError: not today"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("llama_layers = _lib.llama_layers; llama_layers.argtypes = [int]", "no from_param"),
    ],
)
def test_bindings_that_raise_on_import_are_refused(
    tmp_path: Path, planted: str, reason: str
) -> None:
    write_pair(tmp_path, bindings=[("LLAMA_FORMAT = 3\n", f"LLAMA_FORMAT = 3\n{planted}\n")])
    with pytest.raises(BadInput, match="llama_cpp cannot be imported") as caught:
        check(tmp_path)
    assert reason in str(caught.value)


def test_bindings_that_end_their_process_are_refused(tmp_path: Path) -> None:
    crash = "LLAMA_FORMAT = 3\nos.abort()\n"
    write_pair(tmp_path, bindings=[("LLAMA_FORMAT = 3\n", crash)])
    with pytest.raises(CommandFailed, match="SIGABRT"):
        check(tmp_path)


def test_bindings_that_are_no_python_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, bindings=[("class llama_group(", "class class llama_group(")])
    with pytest.raises(BadInput, match="not readable Python"):
        check(tmp_path)


def test_without_a_compiler_nothing_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pair(tmp_path)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LlamaproofError, match=r"no C\+\+ compiler") as caught:
        check(tmp_path)
    assert caught.value.exit_code == 2
    assert "install g++" in caught.value.hint


def test_a_compiler_that_disagrees_with_libclang_ends_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # -fshort-enums makes an enum one byte for the compiler and four for libclang.
    real = compiler.find_compiler()
    other = tmp_path / "short-g++"
    other.write_text(f'#!/bin/sh\nexec {real.command[0]} -fshort-enums "$@"\n')
    other.chmod(0o755)
    monkeypatch.setenv("CXX", str(other))
    write_pair(tmp_path / "pair")
    with pytest.raises(LlamaproofError, match="compiler and libclang read the headers differently"):
        check(tmp_path / "pair")


def test_include_folders_of_the_environment_do_not_reach_the_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "stdbool.h").write_text("#error from the environment\n")
    monkeypatch.setenv("CPLUS_INCLUDE_PATH", str(other))
    write_pair(tmp_path / "pair")
    assert check(tmp_path / "pair").findings == ()


def test_nothing_compared_is_never_a_success(tmp_path: Path) -> None:
    package = write_pair(tmp_path) / "llama_cpp" / "llama_cpp.py"
    package.write_text("import ctypes\n_lib = ctypes.CDLL('libllama.so')\n")
    result = check(tmp_path)
    assert result.findings == ()
    assert not result
    assert result.outcome is Outcome.NOT_CHECKED
    assert result.empty == ("structs", "functions")
    assert result.json()["outcome"] == "could not be checked"


def test_a_module_of_a_library_nobody_has_is_a_note_alone(tmp_path: Path) -> None:
    write_pair(tmp_path)
    (tmp_path / "llama_cpp" / "llava_cpp.py").write_text(
        "import ctypes\n"
        "_lib = ctypes.CDLL('libllava.so')\n"
        "class llava_embed(ctypes.Structure):\n"
        "    _fields_ = [('n', ctypes.c_int)]\n"
        "llava_free = _lib.llava_free\n"
        "llava_free.argtypes = [ctypes.c_void_p]\n"
        "llava_free.restype = None\n"
    )
    result = check(tmp_path)
    (found,) = result.findings
    assert (found.level, found.code, found.where) == ("note", "module.no-library", "llava_cpp")


def test_a_second_module_is_compared_too(tmp_path: Path) -> None:
    write_pair(tmp_path)
    (tmp_path / "headers" / "mtmd.h").write_text(
        '#include "llama.h"\nextern "C" { void mtmd_free(struct llama_model * model); }\n'
    )
    (tmp_path / "llama_cpp" / "mtmd_cpp.py").write_text(
        "import ctypes\n"
        "import llama_cpp.llama_cpp as llama_cpp\n"
        "_lib = ctypes.CDLL('libmtmd.so')\n"
        "mtmd_free = _lib.mtmd_free\n"
        "mtmd_free.argtypes = [llama_cpp.llama_model_p_ctypes, ctypes.c_int]\n"
        "mtmd_free.restype = None\n"
    )
    assert places(check(tmp_path)) == [("function.arity", "mtmd_free")]


def test_a_module_picks_the_spelling_the_library_has(tmp_path: Path) -> None:
    write_pair(
        tmp_path,
        bindings=[
            (
                "LLAMA_FORMAT = 3\n",
                "LLAMA_FORMAT = 3\n"
                "try:\n    found = _lib.llama_sized\n"
                "except AttributeError:\n    found = _lib.llama_size\n",
            )
        ],
    )
    package = tmp_path / "llama_cpp"
    names = {"llama_default_params", "llama_load", "llama_free", "llama_tokenize", "llama_size"}
    names |= {"llama_layers", "llama_name", "llama_set_group", "llama_pooling_of"}
    (size,) = (
        f for f in read_bindings(package, symbols=names).functions.values() if "found" in f.bound_as
    )
    assert size.symbol == "llama_size"


def test_the_real_library_is_never_opened(tmp_path: Path) -> None:
    # A library that ends whoever opens it would, if it were opened.
    write_pair(tmp_path)
    library = tmp_path / "llama_cpp" / "lib" / "libllama.so"
    library.parent.mkdir()
    library.write_bytes(b"no library at all")
    assert check(tmp_path).findings == ()


def test_arguments_in_cxx_go_with_the_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "g++ -DLLAMA_NOT_THERE")
    assert compiler.find_compiler().command[1:] == ("-DLLAMA_NOT_THERE",)
    write_pair(tmp_path)
    assert check(tmp_path).findings == ()


def test_a_compiler_that_does_not_work_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pair(tmp_path)
    monkeypatch.setenv("CXX", "false")
    with pytest.raises(BadInput, match="compiler does not work"):
        check(tmp_path)
