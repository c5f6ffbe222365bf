"""What `read_elf` says of a shared library."""

from __future__ import annotations

from pathlib import Path

import pytest

from llamaproof.binary.elf import read_elf
from llamaproof.errors import BadInput
from llamaproof.process import run
from tests.support.abi.toy_wheel import stub


def _library(folder: Path, source: str, *flags: str | Path) -> Path:
    (folder / "a.c").write_text(source)
    library = folder / "liba.so"
    run(["gcc", "-shared", "-fPIC", "-nostdlib", "-w", folder / "a.c", *flags, "-o", library])
    return library


def test_names_needs_and_symbols_are_read(tmp_path: Path) -> None:
    plain = stub(tmp_path, "libplain.so.2", ["plain"])
    versioned = stub(tmp_path, "libversioned.so.1", ["old"], "VERSIONED_1.4")
    library = _library(
        tmp_path,
        "int plain(void); int old(void); int weak(void) __attribute__((weak));\n"
        "int shown(void) { return plain() + old() + (weak ? weak() : 0); }\n"
        '__attribute__((visibility("hidden"))) int hidden(void) { return 1; }\n'
        "static int inner(void) { return 2; }\n"
        "int data = 3;\n",
        plain,
        versioned,
        "-Wl,-soname,liba.so.7",
        "-Wl,--enable-new-dtags",
        "-Wl,-rpath,$ORIGIN:/opt/lib",
    )
    elf = read_elf(library)
    assert (elf.machine, elf.soname, elf.name) == ("x86_64", "liba.so.7", "liba.so.7")
    assert elf.needed == ("libplain.so.2", "libversioned.so.1")
    assert (elf.rpath, elf.runpath) == ((), ("$ORIGIN", "/opt/lib"))
    assert elf.versions_by_library == {"libversioned.so.1": ("VERSIONED_1.4",)}
    assert elf.needed_versions == ("VERSIONED_1.4",)
    assert elf.exports == {"shown", "data"}
    assert elf.imports == {"plain": "", "old": "VERSIONED_1.4"}


def test_an_old_search_path_is_told_from_a_new_one(tmp_path: Path) -> None:
    flags = ("-Wl,--disable-new-dtags", "-Wl,-rpath,/old")
    elf = read_elf(_library(tmp_path, "int a;", *flags))
    assert (elf.rpath, elf.runpath) == (("/old",), ())


def test_a_library_without_a_soname_goes_by_its_file_name(tmp_path: Path) -> None:
    elf = read_elf(_library(tmp_path, "int a;"))
    assert (elf.soname, elf.name) == ("", "liba.so")


@pytest.mark.parametrize("content", [b"", b"not a library", b"\x7fELF\x02\x01\x01" + bytes(40)])
def test_what_is_no_library_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "libbad.so"
    path.write_bytes(content)
    with pytest.raises(BadInput):
        read_elf(path)


def test_a_library_cut_short_anywhere_is_refused_or_read_never_a_crash(tmp_path: Path) -> None:
    whole = _library(tmp_path, "int a; int f(void) { return a; }").read_bytes()
    cut = tmp_path / "libcut.so"
    refused = 0
    for length in range(0, len(whole), 97):
        cut.write_bytes(whole[:length])
        try:
            read_elf(cut)
        except BadInput:
            refused += 1
    assert refused > 0.9 * len(whole) / 97


def test_an_object_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int a;")
    run(["gcc", "-c", tmp_path / "a.c", "-o", tmp_path / "a.o"])
    with pytest.raises(BadInput, match="no dynamic section"):
        read_elf(tmp_path / "a.o")
