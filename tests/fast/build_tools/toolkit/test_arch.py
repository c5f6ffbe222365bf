"""CUDA_ARCH: what it may say."""

import pytest

from build_tools.toolkit.arch import parse_arch
from build_tools.toolkit.recipes import CUDA12, DEFAULT
from llamaproof.errors import BadInput


def test_a_plain_number_is_machine_code_and_ptx() -> None:
    (arch,) = parse_arch("89").archs
    assert (arch.code, arch.ptx, arch.cmake) == (True, True, "89")


def test_real_is_machine_code_alone_and_virtual_is_ptx_alone() -> None:
    real, virtual = parse_arch("89-real;90-virtual").archs
    assert (real.code, real.ptx, real.cmake) == (True, False, "89-real")
    assert (virtual.code, virtual.ptx, virtual.cmake) == (False, True, "90-virtual")


def test_a_list_is_sorted_so_that_its_label_does_not_depend_on_the_order() -> None:
    assert parse_arch("90;80;89").label == parse_arch("80,89,90").label == "sm80.sm89.sm90"


def test_cpu_is_a_build_without_cuda() -> None:
    assert parse_arch("cpu").cpu_only
    assert parse_arch("cpu").label == "cpu"


@pytest.mark.parametrize(
    "text", ["", "native", "sm_89", "88.9", "20", "89-fake", "cpu;89", "-real"]
)
def test_a_value_that_means_nothing_gets_the_list_of_what_does(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_arch(text)
    for number in DEFAULT.archs:
        assert str(number) in str(caught.value)
    assert "cpu" in str(caught.value)


def test_one_architecture_named_twice_is_refused() -> None:
    with pytest.raises(BadInput, match="twice"):
        parse_arch("89;89-real")


def test_pascal_and_volta_are_of_cuda_12_and_whoever_asks_13_for_them_is_told_so() -> None:
    assert parse_arch("60-virtual;61;70", CUDA12.archs).label == "ptx60.sm61.sm70"
    with pytest.raises(BadInput) as caught:
        parse_arch("70-virtual")
    assert "CUDA=12 compiles for it" in caught.value.hint
    with pytest.raises(BadInput) as caught:
        parse_arch("20")
    assert "CUDA=12" not in caught.value.hint
