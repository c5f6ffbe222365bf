"""Does this code run on this card: one answer, NVIDIA's own, wherever it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof import shadow
from llamaproof.abi.check import check_target
from llamaproof.abi.device import read_device_code
from llamaproof.binary.code_on_card import Arch, archs_of_cmake_item
from llamaproof.binary.loaded_code import loaded_code
from llamaproof.doctor.package import cuda_backend, examine_code
from llamaproof.errors import BadInput
from llamaproof.prove.cards import covered_cards
from llamaproof.reports.outcome import Outcome
from llamaproof.shadow.index import write_index
from llamaproof.target import open_target
from tests.support.abi.toy_wheel import ToyWheel, write_wheel
from tests.support.binary import elf_writer

SMS = tuple(gpu.sm for gpu in shadow.representatives())
SUFFIXED = (90, 100, 103, 110, 120, 121)
ARCHS = tuple(
    f"{prefix}_{sm}{suffix}"
    for prefix in ("sm", "compute")
    for sm in sorted({*SMS, 53, 62, 72, 88, 101, 110})
    for suffix in (("", "a", "f") if sm in SUFFIXED else ("",))
)


@pytest.mark.parametrize(
    ("arch", "sms"),
    [
        ("sm_80", {80, 86, 89}),  # not Orin (87): nothing of the desktop runs on a Tegra
        ("sm_86", {86, 89}),
        ("sm_87", {87}),  # and nothing of a Tegra on the desktop
        ("sm_89", {89}),
        ("sm_90", {90}),
        ("sm_90a", {90}),
        ("sm_100", {100, 103}),
        ("sm_100a", {100}),
        ("sm_100f", {100, 103}),
        ("sm_103f", {103}),
        ("sm_120", {120, 121}),
        ("sm_120a", {120}),
        ("sm_120f", {120, 121}),
        ("sm_121f", {121}),
        ("compute_75", {75, 80, 86, 87, 89, 90, 100, 103, 120, 121}),
        ("compute_89", {89, 90, 100, 103, 120, 121}),
        ("compute_90a", {90}),
        ("compute_100f", {100, 103}),
        ("compute_110f", set()),
        ("compute_120f", {120, 121}),
        ("other_89", set()),
    ],
)
def test_code_runs_where_the_programming_guide_says(arch: str, sms: set[int]) -> None:
    assert {sm for sm in SMS if Arch.parse(arch).runs_on(sm)} == sms


@pytest.mark.parametrize("arch", [100, 101])
def test_family_code_of_a_tegra_and_of_the_desktop_is_not_exchanged(arch: int) -> None:
    other = {100: 101, 101: 100}[arch]
    assert not Arch(kind="ptx", sm=arch, suffix="f").runs_on(other)


@pytest.mark.parametrize("arch", ARCHS)
def test_abi_dispatch_doctor_prove_and_the_shadow_gpus_agree_on_every_card(
    arch: str, tmp_path: Path
) -> None:
    library = tmp_path / "libggml-cuda.so"
    library.write_bytes(elf_writer.library_with_code(arch))
    code = read_device_code([library])
    index = write_index(library, SMS, cache=tmp_path).read_text()
    expected = {sm for sm in SMS if Arch.parse(arch).runs_on(sm)}
    assert {sm for sm in SMS if code.runs_on(sm)} == expected
    assert {sm for sm in SMS if loaded_code([library], sm)} == expected
    assert {sm for sm in SMS if examine_code(library, sm, "a card").level != "stops"} == expected
    assert {sm for sm in SMS if f"code {sm} " in index} == expected
    if expected:
        assert {gpu.sm for gpu in covered_cards(code)} == expected
    else:
        with pytest.raises(BadInput, match="no known card"):
            covered_cards(code)


@pytest.mark.parametrize(
    ("arch", "sms"),
    [
        ("sm_86", {86, 89}),
        ("sm_90a", {90}),
        ("sm_100f", {100, 103}),
        ("sm_120f", {120, 121}),
        ("compute_90a", {90}),
        ("compute_100f", {100, 103}),
    ],
)
def test_a_wheel_of_each_suffix_form_is_judged_alike(
    arch: str, sms: set[int], tmp_path: Path
) -> None:
    item = arch.partition("_")[2] + ("-real" if arch.startswith("sm") else "-virtual")
    wheel = write_wheel(tmp_path, ToyWheel(archs=(arch,), cuda_arch=(item,)))
    with open_target(str(wheel)) as target:
        result = check_target(target, headers=())
        code = read_device_code(target.libraries)
        backend = cuda_backend(target)
        assert backend is not None
        by_doctor = {sm for sm in SMS if examine_code(backend, sm, "a card").level != "stops"}
        by_dispatch = {sm for sm in SMS if loaded_code(target.libraries, sm)}
    assert result.outcome is Outcome.HOLDS
    assert result.facts["device_code"]["archs"] == {arch: 2}
    assert {gpu.sm for gpu in covered_cards(code)} == by_doctor == by_dispatch == sms


@pytest.mark.parametrize("arch", ARCHS)
def test_a_name_is_read_as_it_is_written(arch: str) -> None:
    assert str(Arch.parse(arch)) == arch


@pytest.mark.parametrize("name", ["89", "sm_", "sm_89b", "gfx_90", "compute_90fa"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="no GPU architecture"):
        Arch.parse(name)


@pytest.mark.parametrize(
    ("item", "archs"),
    [
        ("89", ["sm_89", "compute_89"]),
        ("90a-real", ["sm_90a"]),
        ("100f-virtual", ["compute_100f"]),
        ("120f", ["sm_120f", "compute_120f"]),
    ],
)
def test_an_item_of_cmakes_list_is_machine_code_ptx_or_both(item: str, archs: list[str]) -> None:
    assert [str(arch) for arch in archs_of_cmake_item(item)] == archs
