"""A small library's header and bindings that match, for tests that plant one defect in either."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path

from llamaproof.abi.bindings import read_bindings
from llamaproof.abi.c_headers import locate_headers, parse
from llamaproof.abi.check import REQUIRED, check_pair
from llamaproof.abi.compare import compare
from llamaproof.abi.compiler import find_compiler
from llamaproof.abi.findings import AbiFinding, Result, sort_findings
from llamaproof.abi.interface import Interface
from llamaproof.abi.probe import ask_compiler

HEADER = """\
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LLAMA_API
#define LLAMA_DEFAULT_SEED 0xFFFFFFFF
#define LLAMA_FORMAT 3
#define LLAMA_MARKER "<__media__>"

#ifdef __cplusplus
extern "C" {
#endif

struct llama_model;
typedef int32_t llama_token;

enum llama_pooling {
    LLAMA_POOLING_UNSPECIFIED = -1,
    LLAMA_POOLING_NONE = 0,
    LLAMA_POOLING_MEAN = 1,
    LLAMA_POOLING_COUNT,
};

enum llama_pair { LLAMA_PAIR_A, LLAMA_PAIR_B };

typedef bool (*llama_progress)(float progress, void * user_data);

struct llama_params {
    int32_t             n_ctx;
    int32_t             n_batch;
    bool                flash_attn;
    float               scale;
    enum llama_pooling  pooling;
    llama_progress      progress;
    void *              user_data;
    const float *       split;
    size_t              n_split;
};

struct llama_override {
    enum llama_pair tag;
    char key[16];
    union {
        int64_t val_i64;
        double  val_f64;
        char    val_str[32];
    };
};

struct llama_group {
    struct llama_override first;
    llama_token tokens[4];
    struct { float alpha; float beta; } rates;
};

LLAMA_API struct llama_params llama_default_params(void);
LLAMA_API struct llama_model * llama_load(const char * path, struct llama_params params);
LLAMA_API void llama_free(struct llama_model * model);
LLAMA_API int32_t llama_tokenize(const struct llama_model * model, const char * text,
                                 llama_token * tokens, int32_t n_max, bool special);
LLAMA_API uint64_t llama_size(const struct llama_model * model);
LLAMA_API int32_t llama_layers(const struct llama_model * model);
LLAMA_API const char * llama_name(const struct llama_model * model);
LLAMA_API bool llama_set_group(struct llama_model * model, const struct llama_group * group);
LLAMA_API enum llama_pooling llama_pooling_of(const struct llama_model * model);

#ifdef __cplusplus
}
#endif
"""

BINDINGS = """\
from __future__ import annotations

import ctypes
import os
import pathlib

import numpy as np
from typing_extensions import TypeAlias

Row: TypeAlias = "np.ndarray"

_path = pathlib.Path(os.path.dirname(__file__)) / "lib" / "libllama.so"
if not _path.exists():
    raise FileNotFoundError(_path)
_lib = ctypes.CDLL(str(_path))


def ctypes_function(name, argtypes, restype):
    def decorator(f):
        func = getattr(_lib, name)
        func.argtypes = argtypes
        func.restype = restype
        return func

    return decorator


LLAMA_DEFAULT_SEED = 0xFFFFFFFF
LLAMA_FORMAT = 3
LLAMA_MARKER = b"<__media__>"
LLAMA_POOLING_UNSPECIFIED = -1
LLAMA_POOLING_NONE = 0
LLAMA_POOLING_MEAN = 1
LLAMA_POOLING_COUNT = 2
LLAMA_PAIR_A = 0
LLAMA_PAIR_B = 1

llama_model_p_ctypes = ctypes.c_void_p
llama_token = ctypes.c_int32
llama_token_p = ctypes.POINTER(llama_token)
llama_progress = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_float, ctypes.c_void_p)


class llama_params(ctypes.Structure):
    _fields_ = [
        ("n_ctx", ctypes.c_int32),
        ("n_batch", ctypes.c_int32),
        ("flash_attn", ctypes.c_bool),
        ("scale", ctypes.c_float),
        ("pooling", ctypes.c_int),
        ("progress", llama_progress),
        ("user_data", ctypes.c_void_p),
        ("split", ctypes.POINTER(ctypes.c_float)),
        ("n_split", ctypes.c_size_t),
    ]


class llama_override_value(ctypes.Union):
    _fields_ = [
        ("val_i64", ctypes.c_int64),
        ("val_f64", ctypes.c_double),
        ("val_str", ctypes.c_char * 32),
    ]


class llama_override(ctypes.Structure):
    _fields_ = [
        ("tag", ctypes.c_int),
        ("key", ctypes.c_char * 16),
        ("value", llama_override_value),
    ]


class llama_group_rates(ctypes.Structure):
    _fields_ = [("alpha", ctypes.c_float), ("beta", ctypes.c_float)]


class llama_group(ctypes.Structure):
    _fields_ = [
        ("first", llama_override),
        ("tokens", llama_token * 4),
        ("rates", llama_group_rates),
    ]


@ctypes_function("llama_default_params", [], llama_params)
def llama_default_params(): ...


@ctypes_function("llama_load", [ctypes.c_char_p, llama_params], llama_model_p_ctypes)
def llama_load(path, params, /): ...


@ctypes_function("llama_free", [llama_model_p_ctypes], None)
def llama_free(model, /): ...


@ctypes_function(
    "llama_tokenize",
    [llama_model_p_ctypes, ctypes.c_char_p, llama_token_p, ctypes.c_int32, ctypes.c_bool],
    ctypes.c_int32,
)
def llama_tokenize(model, text, tokens, n_max, special, /): ...


@ctypes_function("llama_size", [llama_model_p_ctypes], ctypes.c_uint64)
def llama_size(model, /): ...


@ctypes_function("llama_layers", [llama_model_p_ctypes], ctypes.c_int32)
def llama_layers(model, /): ...


@ctypes_function("llama_name", [llama_model_p_ctypes], ctypes.c_char_p)
def llama_name(model, /): ...


@ctypes_function(
    "llama_set_group", [llama_model_p_ctypes, ctypes.POINTER(llama_group)], ctypes.c_bool
)
def llama_set_group(model, group, /): ...


@ctypes_function("llama_pooling_of", [llama_model_p_ctypes], ctypes.c_int)
def llama_pooling_of(model, /): ...
"""

Change = tuple[str, str]

_MACROS = ("LLAMA_DEFAULT_SEED", "LLAMA_FORMAT", "LLAMA_MARKER")


def planted(text: str, *changes: Change) -> str:
    """The text with each change made; the old part must be there exactly once."""
    for old, new in changes:
        assert text.count(old) == 1, f"{text.count(old)} times in the text: {old!r}"
        text = text.replace(old, new)
    return text


def write_pair(
    folder: Path, *, header: Sequence[Change] = (), bindings: Sequence[Change] = ()
) -> Path:
    """Write the two trees, with changes planted in either; returns the folder of both."""
    package, include = folder / "llama_cpp", folder / "headers"
    package.mkdir(parents=True)
    include.mkdir()
    (package / "llama_cpp.py").write_text(planted(BINDINGS, *bindings), encoding="utf-8")
    (include / "llama.h").write_text(planted(HEADER, *header), encoding="utf-8")
    return folder


def check(folder: Path) -> Result:
    """Check a pair that `write_pair` wrote, from the files on."""
    return check_pair(folder, [folder / "headers"])


def check_planted(
    folder: Path, *, header: Sequence[Change] = (), bindings: Sequence[Change] = ()
) -> Result:
    """Check the pair with changes planted; one header is compiled once for all tests."""
    write_pair(folder, header=header, bindings=bindings)
    python = read_bindings(folder / "llama_cpp", symbols=None)
    comparison = compare(_c_side(planted(HEADER, *header)), python, exports=None)
    return Result(
        target="toy",
        sha256="",
        findings=sort_findings(comparison.findings),
        counts=dict(comparison.counts),
        facts={"unbound_functions": list(comparison.unbound)},
        required=REQUIRED,
    )


@functools.cache
def _c_side(header: str) -> Interface:
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "llama.h").write_text(header, encoding="utf-8")
        compiler = find_compiler()
        declared = parse(locate_headers([Path(scratch)]), compiler)
        return ask_compiler(declared, compiler, wanted_constants=_MACROS)


def only_defect(result: Result) -> AbiFinding:
    """The one defect of a result."""
    (defect,) = result.defects
    return defect


def places(result: Result) -> list[tuple[str, str]]:
    """What the defects are and where, in order."""
    return [(finding.code, finding.where) for finding in result.defects]
