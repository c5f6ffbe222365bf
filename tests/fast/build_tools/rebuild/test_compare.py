"""Two wheels compared: what differs is named, down to the function and its object file."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from build_tools.rebuild.compare import compare_wheels
from build_tools.rebuild.difference import Difference
from build_tools.rebuild.objects import Objects
from llamaproof.process import run
from tests.support.binary.elf_writer import PTX, entry, fatbin

NAME = "a-1.0-py3-none-any.whl"
LIBRARY = "a/lib/liba.so"
NOTHING = Objects(None)

SOURCES = {
    "first": "int first(int x) { return x + 17; }",
    "second": "static __attribute__((noinline)) int inner(int x) { return x * 1000; }"
    "int second(int x) { return inner(x) + inner(x + 1); }",
    "third": "int third(void) { return 3; }",
}
PTX_TEXT = b"""\
.version 8.0
.target sm_80
.visible .entry one(.param .u32 one_a) { mov.u32 %r1, 1; ret; }
.visible .entry two(.param .u32 two_a) { mov.u32 %r1, 2; ret; }
"""


def wheel(folder: Path, members: Mapping[str, bytes], *, name: str = NAME) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member), content)
    return folder / name


def library(folder: Path, sources: Mapping[str, str], code: bytes = b"") -> bytes:
    """Compile one object for each source and link them; the library is returned stripped."""
    folder.mkdir(parents=True)
    for name, text in sources.items():
        (folder / f"{name}.c").write_text(text + "\n")
        run(("cc", "-O1", "-fPIC", "-c", f"{name}.c", "-o", f"{name}.c.o"), cwd=folder)
    objects = [f"{name}.c.o" for name in sources]
    if code:
        (folder / "code.bin").write_bytes(code)
        asm = '.section .nv_fatbin,"a"\n.incbin "code.bin"\n'
        (folder / "code.s").write_text(asm)
        run(("cc", "-c", "code.s", "-o", "code.o"), cwd=folder)
        objects.append("code.o")
    link = ("cc", "-shared", "-Wl,--build-id=none", *objects, "-o", "liba.so")
    run(link, cwd=folder)
    run(("strip", "--strip-all", "liba.so", "-o", "stripped.so"), cwd=folder)
    return (folder / "stripped.so").read_bytes()


def differences(
    tmp_path: Path, sources: Mapping[str, str], codes: tuple[bytes, bytes] = (b"", b"")
) -> tuple[Difference, ...]:
    """Of a library of SOURCES and one in which some are replaced, its objects at hand."""
    published = library(tmp_path / "one" / "objects", SOURCES, codes[0])
    rebuilt = library(tmp_path / "two" / "objects", {**SOURCES, **sources}, codes[1])
    return compare_wheels(
        wheel(tmp_path / "one", {LIBRARY: published}),
        wheel(tmp_path / "two", {LIBRARY: rebuilt}),
        Objects(tmp_path / "two" / "objects"),
    )


def test_the_same_bytes_differ_in_nothing(tmp_path: Path) -> None:
    assert differences(tmp_path, {}) == ()


def test_one_changed_byte_of_a_source_names_section_function_and_object(tmp_path: Path) -> None:
    changed = SOURCES["first"].replace("17", "18")
    (found,) = differences(tmp_path, {"first": changed})
    assert found.member == LIBRARY
    assert found.what.startswith(".text: 1 of ")
    assert found.names == ("first (first.c.o)",)


def test_a_function_of_its_file_alone_is_named_too(tmp_path: Path) -> None:
    changed = SOURCES["second"].replace("1000", "1001")
    (found,) = differences(tmp_path, {"second": changed})
    assert found.names == ("inner (second.c.o)",)


def test_where_code_has_moved_the_functions_of_another_size_are_named(tmp_path: Path) -> None:
    changed = "int third(void) { int s = 0; for (int i = 0; i < 99; i++) s ^= s * i; return s; }"
    found = differences(tmp_path, {"third": changed + "int fourth(void) { return third() * 7; }"})
    (text,) = (each for each in found if each.what.startswith(".text: "))
    assert set(text.names) >= {"third (third.c.o)", "fourth (third.c.o)"}
    assert not [name for name in text.names if "first" in name]


def test_a_kernel_that_differs_is_named_with_what_it_is_built_for(tmp_path: Path) -> None:
    codes = (PTX_TEXT, PTX_TEXT.replace(b"%r1, 2", b"%r1, 4"))
    pair = [fatbin(entry(PTX, 80, code)) for code in codes]
    (found,) = differences(tmp_path, {}, (pair[0], pair[1]))
    assert found.what.startswith(".nv_fatbin: 1 of ")
    assert found.names == ("compute_80: two",)


def test_without_the_objects_the_exported_function_is_still_named(tmp_path: Path) -> None:
    changed = {**SOURCES, "first": SOURCES["first"].replace("17", "18")}
    first = wheel(tmp_path / "one", {LIBRARY: library(tmp_path / "one" / "o", SOURCES)})
    second = wheel(tmp_path / "two", {LIBRARY: library(tmp_path / "two" / "o", changed)})
    (found,) = compare_wheels(first, second, NOTHING)
    assert found.names == ("first",)


def compared(
    tmp_path: Path, first: Mapping[str, bytes], second: Mapping[str, bytes], **named: str
) -> list[tuple[str, str]]:
    one, other = wheel(tmp_path / "1", first), wheel(tmp_path / "2", second, **named)
    return [(each.member, each.what) for each in compare_wheels(one, other, NOTHING)]


def test_a_member_of_one_side_alone_is_named(tmp_path: Path) -> None:
    found = compared(tmp_path, {"a": b"", "b": b""}, {"a": b"", "c": b""})
    assert found == [("b", "the rebuilt wheel lacks it"), ("c", "only the rebuilt wheel has it")]


def test_what_only_repeats_a_difference_is_not_told_beside_it(tmp_path: Path) -> None:
    first = {"a/b.py": b"1\n", "a.dist-info/sboms/a.cdx.json": b"1\n", "a.dist-info/RECORD": b"1\n"}

    def told(*changed: str) -> list[str]:
        second = first | dict.fromkeys(changed, b"2\n")
        wheels = wheel(tmp_path / "a", first), wheel(tmp_path / "b", second)
        return [each.member for each in compare_wheels(*wheels, NOTHING)]

    assert told(*first) == ["a/b.py"]
    assert told(*list(first)[1:]) == ["a.dist-info/sboms/a.cdx.json"]
    assert told("a.dist-info/RECORD") == ["a.dist-info/RECORD"]


def test_another_file_name_is_a_difference_even_of_the_same_bytes(tmp_path: Path) -> None:
    found = compared(tmp_path, {"a": b""}, {"a": b""}, name="b-1.0-py3-none-any.whl")
    assert found == [("", f"the file's name is b-1.0-py3-none-any.whl, not {NAME}")]


def test_another_order_and_another_way_of_storing_are_told_from_other_content(
    tmp_path: Path,
) -> None:
    found = compared(tmp_path, {"a": b"1", "b": b"2"}, {"b": b"2", "a": b"1"})
    assert found == [("", "the members stand in another order")]
    with zipfile.ZipFile(tmp_path / "3.whl", "w", compresslevel=1) as archive:
        archive.writestr(zipfile.ZipInfo("a"), b"x" * 99, zipfile.ZIP_DEFLATED, 1)
    with zipfile.ZipFile(tmp_path / "4.whl", "w") as archive:
        archive.writestr(zipfile.ZipInfo("a"), b"x" * 99, zipfile.ZIP_STORED)
    (stored,) = compare_wheels(tmp_path / "3.whl", tmp_path / "4.whl", NOTHING)[1:]
    assert (stored.member, stored.what) == ("a", "stored with another compress_type")


def test_another_zlib_is_told_from_other_content(tmp_path: Path) -> None:
    noise = b"".join(bytes([i * i % 251]) * (i % 7) for i in range(9999))
    for name, level in (("1", 1), ("2", 9)):
        (tmp_path / name).mkdir()
        with zipfile.ZipFile(tmp_path / name / NAME, "w") as archive:
            archive.writestr(zipfile.ZipInfo("a"), noise, zipfile.ZIP_DEFLATED, level)
    (found,) = compare_wheels(tmp_path / "1" / NAME, tmp_path / "2" / NAME, NOTHING)
    assert "only the compression differs" in found.what


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_lines_of_a_text_that_differs_are_shown(tmp_path: Path, umask: int) -> None:
    kept = os.umask(umask)
    try:
        first = wheel(tmp_path / "1", {"a.dist-info/METADATA": b"Name: a\nVersion: 1\n"})
        second = wheel(tmp_path / "2", {"a.dist-info/METADATA": b"Name: a\nVersion: 2\n"})
    finally:
        os.umask(kept)
    (found,) = compare_wheels(first, second, NOTHING)
    assert found.names == ("- Version: 1", "+ Version: 2")
    assert found.lines()[0] == "a.dist-info/METADATA: differs"
