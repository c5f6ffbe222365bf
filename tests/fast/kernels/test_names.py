"""A kernel's name says which template it is and how wide its tile."""

from __future__ import annotations

import pytest

from llamaproof.kernels import names as kernel_names
from llamaproof.kernels.names import parse
from tests.support.binary import mangled_names as names


@pytest.mark.parametrize(
    ("name", "family", "head_k", "head_v", "ncols1", "ncols2"),
    [
        (names.MMA_576_4x16, "mma", 576, 512, 4, 16),
        (names.MMA_576_1x32, "mma", 576, 512, 1, 32),
        (names.MMA_128_8x1, "mma", 128, 128, 8, 1),
        (names.WMMA_256_8, "wmma", 256, 256, 8, 1),
        (names.VEC_128_8_Q8_0, "vec", 128, 128, 8, 1),
        (names.TILE_128_16_F32, "tile", 128, 128, 16, 1),
        (names.MMA_0_3_17_2x16, "mma", 576, 512, 2, 16),
        (names.MMA_0_3_36_1x16, "mma", 576, 512, 1, 16),
        (names.TILE_0_3_36_2x16, "tile", 576, 512, 2, 16),
        (names.VEC_0_3_36_2, "vec", 128, 128, 2, 1),
    ],
)
def test_family_head_sizes_and_tile(
    name: str, family: str, head_k: int, head_v: int, ncols1: int, ncols2: int
) -> None:
    kernel = parse(name)
    assert kernel.family == family
    assert (kernel.head_k, kernel.head_v) == (head_k, head_v)
    assert (kernel.ncols1, kernel.ncols2) == (ncols1, ncols2)


def test_the_template_arguments_have_the_names_of_the_source() -> None:
    assert dict(parse(names.MMA_576_4x16).parameters) == {
        "DKQ": "576",
        "DV": "512",
        "ncols1": "4",
        "ncols2": "16",
        "nwarps": "8",
        "ntiles": "2",
        "use_logit_softcap": "false",
        "mla": "true",
    }
    assert dict(parse(names.MMA_576_1x32).parameters)["nstages_target"] == "2"
    assert dict(parse(names.WMMA_256_8).parameters)["KQ_acc_t"] == "__half"


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        (names.MMA_576_4x16, 1),
        (names.MMA_128_8x1, 2),
        (names.MMA_576_1x32, 2),
        (names.MMA_0_3_36_1x16, 0),
        (names.VEC_128_1_F16, 0),
    ],
)
def test_stages_are_those_of_the_name_or_of_the_release(name: str, stages: int) -> None:
    assert parse(name).stages == stages


def test_k_and_v_types_are_named() -> None:
    assert dict(parse(names.VEC_0_3_36_2).parameters)["type_K"] == "q8_0"
    assert dict(parse(names.VEC_0_3_36_2).parameters)["type_V"] == "bf16"


def test_the_label_reads_as_the_source_does() -> None:
    label = parse(names.MMA_576_4x16).label
    assert label == "flash_attn_ext_f16<576, 512, 4, 16, 8, 2, false, true>"


def test_a_demangled_name_reads_the_same() -> None:
    assert parse(kernel_names.demangle(names.VEC_128_8_Q8_0)) == parse(names.VEC_128_8_Q8_0)


@pytest.mark.parametrize(
    "name",
    [names.FIXUP_512_4x16, names.COMBINE_512, names.MASK_SCAN_16, names.FIXUP_0_3_36],
)
def test_helpers_are_no_attention_kernels(name: str) -> None:
    function = kernel_names.function_of(name)
    assert kernel_names.is_attention_helper(function)
    assert not kernel_names.is_attention(function)


def test_other_kernels_are_neither() -> None:
    function = kernel_names.function_of("_Z13mul_mat_vec_qIL9ggml_type2ELi1EEvPKvS2_Pfiiii")
    assert function == "mul_mat_vec_q"
    assert not kernel_names.is_attention(function)
    assert not kernel_names.is_attention_helper(function)


@pytest.mark.parametrize(
    "name",
    [
        "void flash_attn_ext_f16<1, 2, 3>(char const*)",
        "void flash_attn_ext_f16<1, 2, 3, 4, 5, false>(char const*)",
        "void flash_attn_ext_of_next_year<64, 64>(char const*)",
        "void flash_attn_tile<64, 64, 1>(char const*)",
    ],
)
def test_a_template_of_another_shape_is_unknown_and_keeps_its_arguments(name: str) -> None:
    kernel = parse(name)
    assert kernel.family == "unknown"
    assert kernel.ncols1 == 0
    assert f"void {kernel.label}(char const*)" == name


def test_a_name_that_is_no_symbol_stays_as_it_is() -> None:
    assert kernel_names.demangle("_Znonsense") == "_Znonsense"
    assert kernel_names.demangle("plain_c_kernel") == "plain_c_kernel"


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("flash_attn_ext_f16<576, 512, 4, 4>", "(char const*, int)"),
        ("vec<128, (ggml_type)1, (ggml_type)8, false>", "(char const*)"),
        ("(anonymous namespace)::fill<float>", "(float*)"),
        ("_Zunknown", ""),
    ],
)
def test_a_kernels_name_is_what_its_parameters_leave(name: str, rest: str) -> None:
    assert kernel_names.without_parameters(f"void {name}{rest}" if rest else name) == name


def test_a_kernel_is_known_again_by_name_and_numbers_however_it_is_written() -> None:
    mangled = (
        "_Z18flash_attn_ext_f16ILi576ELi512ELi4ELi4ELi2ELi2ELb0ELb1EEvPKcS1_S1_S1_S1_PKiPfP6float2"
    )
    profiled = (
        "void flash_attn_ext_f16<(int)576, (int)512, (int)4, (int)4, (int)2, (int)2, (bool)0, "
        "(bool)1>(const char *, const char *)"
    )
    assert kernel_names.signature(mangled) == kernel_names.signature(profiled)
    assert kernel_names.signature(profiled) == (
        "flash_attn_ext_f16",
        (576, 512, 4, 4, 2, 2, 0, 1),
    )
    other = profiled.replace("(int)4, (int)4", "(int)1, (int)16")
    assert kernel_names.signature(mangled) != kernel_names.signature(other)


def test_types_of_k_and_v_are_among_the_numbers() -> None:
    mangled = "_Z22flash_attn_vec_ext_f32ILi128ELi1EL9ggml_type8ELS0_8ELb0EEvPKcS2_"
    profiled = (
        "void flash_attn_vec_ext_f32<(int)128, (int)1, (ggml_type)8, (ggml_type)8, (bool)0>(int)"
    )
    assert kernel_names.signature(mangled) == kernel_names.signature(profiled)
    assert kernel_names.signature(mangled)[1] == (128, 1, 8, 8, 0)
