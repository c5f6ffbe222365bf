"""Claims: whatever in a wheel disagrees with itself is found by name, packed or unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from llamaproof.errors import BadInput
from llamaproof.wheel_archive.agreement import Disagreement, disagreements
from llamaproof.wheel_archive.members import (
    members_of_folder,
    members_of_wheel,
    unpack_wheel,
)
from llamaproof.wheel_archive.words import read_words
from tests.support.wheel_archive.plain_wheel import PlainWheel


def found_in(wheel: Path) -> list[Disagreement]:
    with members_of_wheel(wheel) as members:
        return list(disagreements(read_words(members, wheel.name), members))


def codes(wheel: Path) -> list[str]:
    return [one.code for one in found_in(wheel)]


def test_a_wheel_that_is_right_disagrees_in_nothing(tmp_path: Path) -> None:
    wheel = PlainWheel().write(tmp_path)
    assert found_in(wheel) == []
    unpack_wheel(wheel, tmp_path / "unpacked")
    members = members_of_folder(tmp_path / "unpacked")
    assert list(disagreements(read_words(members, wheel.name), members)) == []


def test_what_it_says_is_read(tmp_path: Path) -> None:
    wheel = PlainWheel(requires=("numpy>=1", 'pytest; extra == "test"')).write(tmp_path)
    with members_of_wheel(wheel) as members:
        words = read_words(members, wheel.name)
    assert (words.name, words.version, words.requires_python) == ("a_package", "1.0+x.1", ">=3.8")
    assert [str(need) for need in words.requires] == ["numpy>=1"]
    assert words.metadata.startswith(b"Metadata-Version: 2.1\nName: a_package\n")


# A change to a right wheel, and what is found of it.
PLANTED: Mapping[str, tuple[PlainWheel, str, str]] = {
    "renamed to another version": (
        PlainWheel(file_version="2.0"),
        "wheel.version",
        "1.0+x.1 in METADATA",
    ),
    "renamed to another project": (
        PlainWheel(file_project="other"),
        "wheel.name",
        "a_package in METADATA",
    ),
    "renamed to another platform": (
        PlainWheel(file_tag="py3-none-manylinux_2_17_x86_64"),
        "wheel.tags",
        "py3-none-any in WHEEL",
    ),
    "another version in the folder's name": (
        PlainWheel(dist_info="a_package-1.1.dist-info"),
        "wheel.version",
        "1.1 in the folder a_package-1.1.dist-info",
    ),
    "another project in the folder's name": (
        PlainWheel(dist_info="other-1.0+x.1.dist-info"),
        "wheel.name",
        "other in the folder other-1.0+x.1.dist-info",
    ),
    "two dist-info folders": (
        PlainWheel(unrecorded={"b-1.dist-info/METADATA": b"Name: b\n"}),
        "wheel.metadata",
        "a_package-1.0+x.1.dist-info, b-1.dist-info",
    ),
    "a name said twice": (
        PlainWheel(metadata="Name: another\n"),
        "wheel.metadata",
        "a_package and another",
    ),
    "a requirement that is none": (
        PlainWheel(requires=("numpy >>> 1",)),
        "wheel.metadata",
        "'numpy >>> 1'",
    ),
    "a file that RECORD does not list": (
        PlainWheel(unrecorded={"a_package/more.py": b""}),
        "wheel.record",
        "a_package/more.py is not listed",
    ),
    "a file that is not there": (
        PlainWheel(record="a_package/gone.py,sha256=abc,3\n"),
        "wheel.record",
        "a_package/gone.py is listed and not there",
    ),
    "another hash": (
        PlainWheel(rows={"a_package/__init__.py": "sha256=AAAA,2"}),
        "wheel.record",
        "a_package/__init__.py has another hash than listed",
    ),
    "another size": (
        PlainWheel(sizes={"a_package/__init__.py": 99}),
        "wheel.record",
        "a_package/__init__.py has another size than listed",
    ),
    "no hash": (
        PlainWheel(rows={"a_package/__init__.py": ","}),
        "wheel.record",
        "a_package/__init__.py is listed without a sha256",
    ),
    "a weak hash": (
        PlainWheel(rows={"a_package/__init__.py": "md5=1B2M2Y8AsgTpgAmY7PhCfg,0"}),
        "wheel.record",
        "a_package/__init__.py is listed without a sha256",
    ),
}


@pytest.mark.parametrize(("wheel", "code", "said"), PLANTED.values(), ids=PLANTED)
def test_a_disagreement_is_found_by_name(
    tmp_path: Path, wheel: PlainWheel, code: str, said: str
) -> None:
    (found,) = found_in(wheel.write(tmp_path))
    assert (found.code, found.found) == (code, said)


def test_a_file_that_is_there_twice_is_found(tmp_path: Path) -> None:
    wheel = PlainWheel().write(tmp_path)
    with (
        zipfile.ZipFile(wheel, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("a_package/__init__.py", "other = 1\n")
    assert "wheel.member" in codes(wheel)


def test_a_file_that_would_be_written_elsewhere_is_found_and_never_unpacked(tmp_path: Path) -> None:
    wheel = PlainWheel(unrecorded={"../outside.py": b""}).write(tmp_path)
    assert codes(wheel)[0] == "wheel.member"
    with pytest.raises(BadInput, match="outside the folder"):
        unpack_wheel(wheel, tmp_path / "unpacked")
    assert not (tmp_path / "outside.py").exists()


def damage(wheel: Path, kept: Sequence[bytes]) -> None:
    wheel.write_bytes(b"".join(kept))


def test_a_wheel_cut_off_is_no_readable_wheel(tmp_path: Path) -> None:
    wheel = PlainWheel().write(tmp_path)
    damage(wheel, [wheel.read_bytes()[:-30]])
    with pytest.raises(BadInput, match="not a readable wheel"):
        found_in(wheel)


def test_a_changed_byte_of_a_member_is_no_readable_wheel(tmp_path: Path) -> None:
    wheel = PlainWheel(files={"a_package/data.bin": b"0123456789"}).write(tmp_path)
    data = wheel.read_bytes()
    damage(wheel, [data.replace(b"0123456789", b"0123456788", 1)])
    with pytest.raises(BadInput, match="Bad CRC"):
        found_in(wheel)


def test_a_file_that_unpacks_to_very_much_is_not_read_into_memory(tmp_path: Path) -> None:
    wheel = tmp_path / "a_package-1.0-py3-none-any.whl"
    with (
        zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a_package-1.0.dist-info/METADATA", "w") as member,
    ):
        for _ in range(65):
            member.write(bytes(1 << 20))
    with members_of_wheel(wheel) as members, pytest.raises(BadInput, match="has more than"):
        read_words(members, wheel.name)
