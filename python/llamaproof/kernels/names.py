"""What the name of a flash-attention kernel says about it.

The template parameters are those of ggml/src/ggml-cuda/fattn-*.cu{,h} in the llama.cpp of
llama-cpp-python 0.3.16 (as released, and as the series patches it), 0.3.17 and 0.3.36; a name of
another shape is reported as unknown, with its arguments, and never guessed at.
"""

from __future__ import annotations

import ctypes
import functools
import re
from dataclasses import dataclass
from typing import Literal

from llamaproof.errors import LlamaproofError
from llamaproof.ggml import GgmlType

Family = Literal["mma", "vec", "tile", "wmma", "unknown"]

# Launched around an attention kernel, and no attention kernels themselves.
_HELPERS = (
    "flash_attn_stream_k_fixup",
    "flash_attn_combine_results",
    "flash_attn_mask_to_",
)

_VEC = ("D", "ncols", "type_K", "type_V", "use_logit_softcap")
_OLD_TILE = ("D", "ncols", "nwarps", "use_logit_softcap")
_TILE = ("DKQ", "DV", "ncols1", "ncols2", "use_logit_softcap")

_PARAMETERS: dict[str, tuple[Family, tuple[str, ...]]] = {
    "flash_attn_vec_ext_f16": ("vec", _VEC),
    "flash_attn_vec_ext_f32": ("vec", _VEC),
    "flash_attn_ext_vec": ("vec", _VEC),
    "flash_attn_tile_ext_f16": ("tile", _OLD_TILE),
    "flash_attn_tile_ext_f32": ("tile", _OLD_TILE),
    "flash_attn_tile": ("tile", _TILE),
}

_ANONYMOUS = "(anonymous namespace)"
_NUMBER = re.compile(r"(?:\([\w ]+\))?(-?\d+)")  # a number, of a type or not: `(ggml_type)8`
_BOOLS = {"false": "0", "true": "1"}
_TEMPLATE_NAME = re.compile(rf"(?:void )?(?:{re.escape(_ANONYMOUS)}::)?(\w+)(?:<(.*?)>)?(?:\(|$)")


@dataclass(frozen=True, kw_only=True)
class AttentionKernel:
    """A flash-attention kernel, as its name describes it.

    Attributes:
        function: the function template, as in `flash_attn_ext_f16`.
        family: `mma` (tensor cores, Turing on), `wmma` (tensor cores, Volta's code), `vec`, `tile`.
        parameters: the template arguments by the source's own names; empty when unknown.
        arguments: the template arguments as they stand in the name.
        head_k: DKQ, the head size of Q and K; 0 when unknown.
        head_v: DV, the head size of V; 0 when unknown.
        ncols1: query tokens in one tile; 0 when unknown.
        ncols2: heads of one group that share a tile of K; 1 in kernels without that; 0 unknown.
    """

    function: str
    family: Family
    parameters: tuple[tuple[str, str], ...]
    arguments: tuple[str, ...]
    head_k: int
    head_v: int
    ncols1: int
    ncols2: int

    @property
    def label(self) -> str:
        """As the source writes it: `flash_attn_ext_f16<576, 512, 4, 16, 8, 2, false, true>`."""
        return f"{self.function}<{', '.join(self.arguments)}>"

    @property
    def short(self) -> str:
        """Family and tile: `mma 4x16` is 4 tokens by 16 heads."""
        if self.family == "unknown":
            return self.label
        return f"{self.family} {self.ncols1}x{self.ncols2}"

    @property
    def stages(self) -> int:
        """Pieces of K that are on their way at a time, where the card can; 0 when unknown.

        Where the name does not say it: `nstages_target` of fattn_mma_f16_config in 0.3.16's
        fattn-mma-f16.cuh, which is 1 for DKQ 576 and 2 for every other head size.
        """
        values = dict(self.parameters)
        if "nstages_target" in values:
            return int(values["nstages_target"])
        if "ntiles" in values:
            return 1 if self.head_k == 576 else 2
        return 0


def is_attention(function: str) -> bool:
    """Whether a function is a flash-attention kernel proper, not one of its helpers."""
    return function.startswith("flash_attn") and not function.startswith(_HELPERS)


def is_attention_helper(function: str) -> bool:
    """Whether a function prepares or combines what a flash-attention kernel works on."""
    return function.startswith(_HELPERS)


@functools.lru_cache(maxsize=4096)
def function_of(mangled: str) -> str:
    """The function of a mangled kernel name, without its template arguments."""
    return _split(demangle(mangled))[0]


@functools.lru_cache(maxsize=4096)
def parse(mangled: str) -> AttentionKernel:
    """Read a mangled (or already demangled) name of a flash-attention kernel."""
    function, arguments = _split(demangle(mangled))
    names = _parameter_names(function, arguments)
    if names is None:
        return AttentionKernel(
            function=function,
            family="unknown",
            parameters=(),
            arguments=arguments,
            head_k=0,
            head_v=0,
            ncols1=0,
            ncols2=0,
        )
    family, fields = names
    values = dict(zip(fields, arguments, strict=True))
    head_k = int(values.get("DKQ", values.get("D", "0")))
    return AttentionKernel(
        function=function,
        family=family,
        parameters=tuple((name, _readable(name, value)) for name, value in values.items()),
        arguments=arguments,
        head_k=head_k,
        head_v=int(values.get("DV", head_k)),
        ncols1=int(values.get("ncols1", values.get("ncols", "0"))),
        ncols2=int(values.get("ncols2", "1")),
    )


def signature(name: str) -> tuple[str, tuple[int, ...]]:
    """A kernel's function and the numbers among its template arguments.

    So that a kernel is known again however it is written: mangled, demangled, or as a profiler
    does (`(int)576`, `(bool)0`).
    """
    function, arguments = _split(demangle(name))
    numbers = (_NUMBER.fullmatch(_BOOLS.get(argument, argument)) for argument in arguments)
    return function, tuple(int(number.group(1)) for number in numbers if number is not None)


def without_parameters(demangled: str) -> str:
    """A kernel's name with its template arguments, without what every kernel of it has."""
    depth = 0
    for index, character in enumerate(demangled):
        depth += {"<": 1, ">": -1}.get(character, 0)
        if character == "(" and depth == 0 and not demangled.startswith(_ANONYMOUS, index):
            return demangled[:index].removeprefix("void ")
    return demangled


def demangle(name: str) -> str:
    """A C++ symbol as source text; a name that is no mangled one comes back as it is.

    Raises:
        LlamaproofError: libstdc++, which every llama.cpp library needs too, is not there.
    """
    if not name.startswith("_Z"):
        return name
    status = ctypes.c_int()
    text = _cxa_demangle()(name.encode(), None, None, ctypes.byref(status))
    if status.value != 0 or not text:
        return name
    try:
        return ctypes.string_at(text).decode()
    finally:
        _libc_free()(text)


def _parameter_names(
    function: str, arguments: tuple[str, ...]
) -> tuple[Family, tuple[str, ...]] | None:
    if function == "flash_attn_ext_f16":
        return _tensor_core_names(arguments)
    known = _PARAMETERS.get(function)
    if known is None or len(known[1]) != len(arguments):
        return None
    return known


def _tensor_core_names(arguments: tuple[str, ...]) -> tuple[Family, tuple[str, ...]] | None:
    """`flash_attn_ext_f16` names two templates; the place of the first bool tells them apart."""
    flags = next((i for i, a in enumerate(arguments) if a in ("true", "false")), len(arguments))
    kinds = (len(arguments), flags)
    tile = ("DKQ", "DV", "ncols1", "ncols2")
    warps = (*tile, "nwarps", "ntiles", "use_logit_softcap", "mla")
    if kinds == (8, 6):
        return "mma", warps
    if kinds == (9, 6):
        return "mma", (*warps, "nstages_target")
    if kinds == (6, 4):
        return "mma", (*tile, "use_logit_softcap", "V_is_K_view")
    if kinds == (7, 4):
        return "mma", (*tile, "use_logit_softcap", "V_is_K_view", "use_sparse")
    if kinds == (6, 5) and not arguments[4].isdigit():
        return "wmma", ("D", "ncols", "nwarps", "VKQ_stride", "KQ_acc_t", "use_logit_softcap")
    return None


def _split(demangled: str) -> tuple[str, tuple[str, ...]]:
    match = _TEMPLATE_NAME.match(demangled)
    if match is None:
        return demangled, ()
    arguments = match.group(2)
    return match.group(1), tuple(a.strip() for a in arguments.split(",")) if arguments else ()


def _readable(name: str, value: str) -> str:
    enumerator = re.fullmatch(r"\(ggml_type\)(\d+)", value)
    if not name.startswith("type_") or enumerator is None:
        return value
    try:
        return GgmlType(int(enumerator.group(1))).label
    except ValueError:
        return value


@functools.lru_cache(maxsize=1)
def _cxa_demangle() -> ctypes._NamedFuncPointer:
    try:
        function = ctypes.CDLL("libstdc++.so.6")["__cxa_demangle"]
    except (OSError, AttributeError) as error:
        raise LlamaproofError(
            f"kernel names cannot be read: {error}", hint="install libstdc++ (package libstdc++6)"
        ) from error
    function.restype = ctypes.c_void_p
    function.argtypes = (
        ctypes.c_char_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_int),
    )
    return function


@functools.lru_cache(maxsize=1)
def _libc_free() -> ctypes._NamedFuncPointer:
    function = ctypes.CDLL(None)["free"]
    function.restype = None
    function.argtypes = (ctypes.c_void_p,)
    return function
