"""What is read out of the device code of CUDA libraries."""

from __future__ import annotations

from pathlib import Path

import lz4.block
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from llamaproof.binary import fatbin
from llamaproof.binary.cubin import read_kernels
from llamaproof.binary.ptx_header import read_ptx_kernels
from llamaproof.errors import BadInput
from tests.support.binary import elf_writer as write

_TEXT = b".version 9.0\n.target sm_75\n" * 20


def _library(folder: Path, *fatbins: bytes, address: int = 0x4000) -> Path:
    path = folder / "libdevice.so"
    section = write.Section(name=".nv_fatbin", content=b"".join(fatbins), address=address)
    path.write_bytes(write.elf([section]))
    return path


def test_every_fatbin_is_found_with_its_place_and_code(tmp_path: Path) -> None:
    cubin = write.cubin("k", registers=32, shared=64, frame=0, threads=128)
    squeezed = zstandard.compress(_TEXT)
    quick = lz4.block.compress(cubin, store_size=False)
    first = write.fatbin(
        write.entry(write.PTX, 75, squeezed, flags=write.FLAG_ZSTD, size=len(_TEXT)),
        write.entry(write.CUBIN, 89, quick, flags=write.FLAG_LZ4, size=len(cubin)),
    )
    second = write.fatbin(write.entry(write.CUBIN, 120, cubin, flags=write.FLAG_A))
    library = _library(tmp_path, first, bytes(8), second)
    found = fatbin.read_fatbins(library)
    assert [f.address for f in found] == [0x4000, 0x4000 + len(first) + 8]
    assert found[1].offset - found[0].offset == len(first) + 8
    ptx, compressed, plain = (*found[0].entries, *found[1].entries)
    assert [str(e.arch) for e in (ptx, compressed, plain)] == ["compute_75", "sm_89", "sm_120a"]
    assert [e.compression for e in (ptx, compressed, plain)] == ["zstd", "lz4", "none"]
    assert fatbin.read_ptx(library, ptx) == _TEXT.decode()
    assert fatbin.read_codes(library, (compressed, plain)) == [cubin, cubin]


def test_a_kernels_resources_come_from_the_cubins_tables() -> None:
    cubin = write.cubin("_Z4kernPfi", registers=168, shared=2048, frame=40, threads=256)
    (kernel,) = read_kernels(cubin)
    assert (kernel.name, kernel.registers, kernel.shared_bytes) == ("_Z4kernPfi", 168, 2048)
    assert (kernel.local_bytes, kernel.max_threads) == (40, 256)
    assert [(p.offset, p.size) for p in kernel.parameters] == [(0, 8), (8, 4)]
    assert kernel.parameter_bytes == 12


def test_ptx_tells_parameters_launch_bounds_and_static_shared_memory() -> None:
    text = """
.visible .entry _Z1kPfic(
    .param .u64 .ptr .global .align 1 _Z1kPfic_param_0,
    .param .u8 _Z1kPfic_param_1,
    .param .align 16 .b8 _Z1kPfic_param_2[40]
)
.maxntid 64, 4, 1
.minnctapersm 2
{
    .shared .align 16 .b8 tile[1024];
    .shared .f32 last;
    ret;
}
"""
    (kernel,) = read_ptx_kernels(text)
    assert [(p.offset, p.size) for p in kernel.parameters] == [(0, 8), (8, 1), (16, 40)]
    assert (kernel.max_threads, kernel.min_blocks) == (256, 2)
    assert kernel.shared_bytes == 1028
    assert kernel.registers is None


def test_a_library_without_device_code_has_no_fatbins(tmp_path: Path) -> None:
    path = tmp_path / "libhost.so"
    path.write_bytes(write.elf([write.Section(name=".text", content=b"\x90" * 8)]))
    assert fatbin.read_fatbins(path) == ()


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "libtext.so"
    path.write_bytes(b"not a library")
    with pytest.raises(BadInput, match="not a readable ELF"):
        fatbin.read_fatbins(path)


def test_code_that_does_not_decompress_is_refused(tmp_path: Path) -> None:
    squeezed = bytearray(zstandard.compress(_TEXT))
    squeezed[8] ^= 0xFF
    bad = write.entry(write.PTX, 75, bytes(squeezed), flags=write.FLAG_ZSTD, size=len(_TEXT))
    library = _library(tmp_path, write.fatbin(bad))
    (found,) = fatbin.read_fatbins(library)
    with pytest.raises(BadInput, match="compute_75"):
        fatbin.read_code(library, found.entries[0])


def test_an_entry_that_claims_absurd_size_is_refused(tmp_path: Path) -> None:
    bad = write.entry(write.PTX, 75, b"x" * 8, flags=write.FLAG_LZ4, size=1 << 40)
    library = _library(tmp_path, write.fatbin(bad))
    with pytest.raises(BadInput, match="claims"):
        fatbin.read_code(library, fatbin.read_fatbins(library)[0].entries[0])


@given(cut=st.integers(min_value=1, max_value=200), flip=st.integers(min_value=0, max_value=150))
def test_damage_is_an_error_or_harmless_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int
) -> None:
    whole = bytearray(write.fatbin(write.entry(write.CUBIN, 89, b"\x7fELF" + bytes(60))))
    whole[flip % len(whole)] ^= 0x5A
    library = _library(tmp_path_factory.mktemp("cut"), bytes(whole[:-cut] or b"\x50"))
    try:
        for found in fatbin.read_fatbins(library):
            fatbin.read_codes(library, found.entries)
    except BadInput as error:
        assert str(library) in str(error)


@given(data=st.binary(max_size=300))
def test_a_damaged_cubin_is_an_error_never_a_crash(data: bytes) -> None:
    whole = bytearray(write.cubin("k", registers=1, shared=1, frame=1, threads=1))
    whole[100 : 100 + len(data)] = data
    try:
        assert isinstance(read_kernels(bytes(whole)), tuple)
    except BadInput as error:
        assert "damaged cubin" in str(error)
