"""Claims: what a toolkit cannot do with this machine's compilers is said before anything is
compiled, with what to do; and a sound pair passes."""

from pathlib import Path

import pytest

from build_tools.toolkit.arch import ArchList, parse_arch
from build_tools.toolkit.fitness import host_compiler, require_fit
from build_tools.toolkit.recipes import NEWER
from build_tools.toolkit.settings import ToolkitSettings
from build_tools.toolkit.toolkit import Toolkit
from build_tools.wheel import inputs
from build_tools.wheel.inputs import Wanted, take_inputs
from llamaproof.errors import BadInput
from tests.support.build_tools.fake_toolkits import write_compiler, write_toolkit

ADA = parse_arch("89")
BLACKWELL = parse_arch("120-virtual")

# build of nvcc, the newest g++ and glibc that its headers know: as in the packages of PyPI.
CUDA_12_4 = ("12.4.131", 13, None)
CUDA_13_0 = ("13.0.88", 15, 41)
CUDA_13_1 = ("13.1.115", 15, 41)
CUDA_13_2_0 = ("13.2.51", 15, 42)
CUDA_13_2_1 = ("13.2.78", 15, 42)
CUDA_13_2_2 = ("13.2.86", 15, 42)
CUDA_13_4 = ("13.4.92", 16, 42)

Facts = tuple[str, int, int | None]


def judge(folder: Path, facts: Facts, gcc: int, glibc: int | None, archs: ArchList = ADA) -> None:
    toolkit = toolkit_of(folder, facts)
    compiler = write_compiler(folder / "compiler", gcc=gcc, glibc_minor=glibc)
    require_fit(toolkit, archs, {"CUDAHOSTCXX": compiler})


def toolkit_of(folder: Path, facts: Facts) -> Toolkit:
    nvcc, newest_gcc, newest_glibc = facts
    return write_toolkit(folder / "toolkit", nvcc, newest_gcc=newest_gcc, newest_glibc=newest_glibc)


@pytest.mark.parametrize(
    ("facts", "gcc", "glibc"),
    [
        (CUDA_12_4, 12, 36),
        (CUDA_12_4, 13, 40),
        (CUDA_13_0, 12, 36),
        (CUDA_13_0, 15, 41),
        (CUDA_13_2_2, 15, 42),
        (CUDA_13_4, 16, 43),
        (CUDA_13_4, 12, 36),
        (CUDA_13_0, 12, None),
    ],
)
def test_a_sound_pair_passes(tmp_path: Path, facts: Facts, gcc: int, glibc: int | None) -> None:
    judge(tmp_path, facts, gcc, glibc)


@pytest.mark.parametrize("facts", [CUDA_13_0, CUDA_13_1])
def test_a_glibc_whose_rsqrt_clashes_is_refused_and_the_newer_toolkit_offered(
    tmp_path: Path, facts: Facts
) -> None:
    with pytest.raises(BadInput, match=r"glibc 2\.42 clash: both declare rsqrt") as caught:
        judge(tmp_path, facts, 15, 42)
    assert caught.value.hint.startswith(f"CUDA={NEWER.name} has headers that know it")


def test_a_glibc_that_cuda_12_does_not_know_is_refused_and_no_newer_toolkit_offered(
    tmp_path: Path,
) -> None:
    with pytest.raises(BadInput, match=r"glibc 2\.41 clash: both declare cospi, sinpi") as caught:
        judge(tmp_path, CUDA_12_4, 13, 41)
    assert "older than 2.41" in caught.value.hint and "CUDA=" not in caught.value.hint


def test_a_compiler_that_nvcc_refuses_is_refused_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"does not accept g\+\+ 16: .* later than 15") as caught:
        judge(tmp_path, CUDA_13_0, 16, 41)
    assert "CUDA=13.4 accepts it" in caught.value.hint and "CUDAHOSTCXX" in caught.value.hint


def test_no_toolkit_is_offered_for_a_compiler_that_none_accepts(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not accept") as caught:
        judge(tmp_path / "a", CUDA_13_0, 17, 41)
    assert "CUDA=" not in caught.value.hint
    with pytest.raises(BadInput, match="does not accept") as caught:
        judge(tmp_path / "b", CUDA_12_4, 14, 40)
    assert "CUDA=" not in caught.value.hint


@pytest.mark.parametrize("facts", [CUDA_13_2_0, CUDA_13_2_1])
def test_an_nvcc_that_miscompiles_is_refused_for_what_it_miscompiles_alone(
    tmp_path: Path, facts: Facts
) -> None:
    with pytest.raises(BadInput, match="sm_120 that reads bytes wrongly") as caught:
        judge(tmp_path / "a", facts, 12, 36, BLACKWELL)
    assert "13.2.2 or newer" in caught.value.hint
    judge(tmp_path / "b", facts, 12, 36, ADA)
    judge(tmp_path / "c", CUDA_13_2_2, 12, 36, BLACKWELL)


def test_the_compiler_of_this_machine_says_what_it_is() -> None:
    compiler = host_compiler("g++")
    assert compiler.gcc >= 7 and not compiler.clang


def test_a_build_is_refused_before_anything_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolkit = toolkit_of(tmp_path, CUDA_13_0)
    compiler = write_compiler(tmp_path / "compiler", gcc=15, glibc_minor=42)
    monkeypatch.setenv("CUDAHOSTCXX", compiler)
    monkeypatch.setattr(inputs, "prepare_tree", lambda *_args, **_kwargs: None)
    wanted = Wanted(arch="89", toolkit=ToolkitSettings(home=toolkit.root), pin="none", first=None)
    with pytest.raises(BadInput, match="clash"):
        take_inputs(tmp_path, wanted)
