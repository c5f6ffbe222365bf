"""The code that a card loads, and what is said where a driver would have to compile it."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof.binary.code_on_card import Arch
from llamaproof.binary.fatbin import Entry
from llamaproof.binary.loaded_code import loaded_code, select
from tests.support.binary import elf_writer as write

_CUBIN = write.cubin("k", registers=32, shared=64, frame=0, threads=128)


def _library(folder: Path, *fatbins: bytes) -> Path:
    path = folder / "libggml-cuda.so"
    section = write.Section(name=".nv_fatbin", content=b"".join(fatbins), address=0x4000)
    path.write_bytes(write.elf([section]))
    return path


@pytest.mark.parametrize(
    ("sm", "code"),
    [
        (75, ()),
        (80, ("compute_80",)),
        (89, ("sm_89",)),
        (90, ("compute_80",)),
    ],
)
def test_a_card_loads_its_machine_code_else_ptx_else_nothing(
    tmp_path: Path, sm: int, code: tuple[str, ...]
) -> None:
    unit = write.fatbin(
        write.entry(write.PTX, 80, b".version 9.0\n"), write.entry(write.CUBIN, 89, _CUBIN)
    )
    assert tuple(map(str, loaded_code([_library(tmp_path, unit, unit)], sm))) == code


def test_units_that_were_built_apart_are_all_told(tmp_path: Path) -> None:
    ptx = write.fatbin(write.entry(write.PTX, 75, b".version 9.0\n"))
    cubin = write.fatbin(write.entry(write.CUBIN, 89, _CUBIN))
    loaded = loaded_code([_library(tmp_path, ptx, cubin)], 89)
    assert tuple(map(str, loaded)) == ("compute_75", "sm_89")


@pytest.mark.parametrize(
    ("have", "sm", "chosen"),
    [
        (["sm_80", "sm_86", "compute_75"], 89, "sm_86"),
        (["sm_90", "compute_80"], 89, "compute_80"),
        (["sm_80", "sm_90"], 75, None),
        (["sm_120a"], 121, None),
        (["sm_120f", "sm_120"], 121, "sm_120f"),
        (["sm_120f", "sm_120a"], 120, "sm_120a"),
        (["compute_75", "compute_80"], 120, "compute_80"),
        (["sm_80", "compute_80"], 87, "compute_80"),  # Orin takes no desktop machine code
    ],
)
def test_the_driver_takes_the_best_code_that_runs(
    have: list[str], sm: int, chosen: str | None
) -> None:
    found = select((_entry(arch) for arch in have), sm)
    assert (str(found.arch) if found else None) == chosen


def _entry(arch: str) -> Entry:
    return Entry(arch=Arch.parse(arch), compression="none", offset=0, stored_size=0, size=0)
