"""Whether everything that a wheel says of itself agrees, and whether RECORD is true."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_name, canonicalize_version

from llamaproof.wheel_archive.members import Members, leaves_folder
from llamaproof.wheel_archive.words import WheelWords

# RECORD lists every file with its hash, but for itself and signatures over it.
# Source: "Recording installed projects" and "Binary distribution format" of the packaging guide.
_WITHOUT_HASH = ("RECORD", "RECORD.jws", "RECORD.p7s")
_STRONG = ("sha256", "sha384", "sha512")


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """Two things that a wheel says of itself, and that cannot both be true.

    Attributes:
        code: a stable name, such as `wheel.version`.
        where: the thing that they are about.
        expected: by what is said in one place.
        found: in the other.
        consequence: for whoever installs it.
    """

    code: str
    where: str
    expected: str
    found: str
    consequence: str

    def __str__(self) -> str:
        return f"{self.code}: {self.where}: expected {self.expected}, found {self.found}"


def disagreements(words: WheelWords, members: Members) -> Iterator[Disagreement]:
    """All that is to be checked of a wheel file."""
    yield from member_disagreements(members)
    if not words.dist_info:
        yield Disagreement(
            code="wheel.metadata",
            where=words.file_name,
            expected="one *.dist-info folder with METADATA",
            found=", ".join(words.dist_infos) or "none",
            consequence="pip refuses to install it",
        )
        return
    yield from file_name_disagreements(words)
    yield from folder_disagreements(words)
    yield from field_disagreements(words)
    yield from record_disagreements(words, members)


def member_disagreements(members: Members) -> Iterator[Disagreement]:
    """That no file is there twice, and none would be written elsewhere."""
    twice = sorted(name for name, number in Counter(members.names).items() if number > 1)
    outside = sorted(name for name in set(members.names) if leaves_folder(name))
    for names, expected, found in (
        (twice, "each file once", "there twice"),
        (outside, "files within the wheel", "written outside the folder"),
    ):
        if names:
            yield Disagreement(
                code="wheel.member",
                where="members",
                expected=expected,
                found=f"{_shortened(names)} {found}",
                consequence="which bytes are installed, and where, depends on the program",
            )


def file_name_disagreements(words: WheelWords) -> Iterator[Disagreement]:
    """That METADATA and WHEEL say what the file name says."""
    said = words.parsed_file_name
    if said is None:
        yield Disagreement(
            code="wheel.file-name",
            where=words.file_name,
            expected="name-version-tags.whl",
            found=f"{words.file_name!r}, which is no name of a wheel",
            consequence="pip refuses to install it",
        )
        return
    if canonicalize_name(words.name) != said.project:
        yield Disagreement(
            code="wheel.name",
            where="distribution",
            expected=f"{said.project} in the file name",
            found=f"{words.name or 'nothing'} in METADATA",
            consequence="pip refuses to install it, or installs it as something else",
        )
    if canonicalize_version(words.version) != canonicalize_version(said.version):
        yield Disagreement(
            code="wheel.version",
            where="version",
            expected=f"{said.version} in the file name",
            found=f"{words.version or 'nothing'} in METADATA",
            consequence="pip refuses to install it: the two disagree",
        )
    if words.tags != said.tags:
        yield Disagreement(
            code="wheel.tags",
            where="tags",
            expected=f"{_tag_names(said.tags)} in the file name",
            found=f"{_tag_names(words.tags)} in WHEEL",
            consequence="tools disagree about where it may be installed",
        )


def folder_disagreements(words: WheelWords) -> Iterator[Disagreement]:
    """That the `*.dist-info` folder is named by METADATA's name and version."""
    name, _, version = words.dist_info.removesuffix(".dist-info").partition("-")
    if canonicalize_name(name) != canonicalize_name(words.name):
        yield Disagreement(
            code="wheel.name",
            where="distribution",
            expected=f"{words.name or 'nothing'} in METADATA",
            found=f"{name} in the folder {words.dist_info}",
            consequence="pip refuses to install it",
        )
    if canonicalize_version(version) != canonicalize_version(words.version):
        yield Disagreement(
            code="wheel.version",
            where="version",
            expected=f"{words.version or 'nothing'} in METADATA",
            found=f"{version} in the folder {words.dist_info}",
            consequence="a program that asks for it gets another answer than pip gives",
        )


def field_disagreements(words: WheelWords) -> Iterator[Disagreement]:
    """That METADATA says each thing once, and that each of its requirements is one."""
    for field in ("metadata-version", "name", "version", "requires-python"):
        values = words.fields.get(field, ())
        if len(values) > 1:
            yield Disagreement(
                code="wheel.metadata",
                where=field,
                expected="said once in METADATA",
                found=" and ".join(values),
                consequence="which of them counts depends on the program",
            )
    for line in words.fields.get("requires-dist", ()):
        try:
            Requirement(line)
        except InvalidRequirement:
            yield Disagreement(
                code="wheel.metadata",
                where="requires-dist",
                expected="a requirement",
                found=repr(line),
                consequence="pip refuses to install it",
            )


def record_disagreements(words: WheelWords, members: Members) -> Iterator[Disagreement]:
    """That RECORD lists every file once, by a strong hash that is true, and no other."""
    unsigned = {f"{words.dist_info}/{name}" for name in _WITHOUT_HASH}
    rows = {path: (digest, size) for path, digest, size in words.record}
    listed = Counter(path for path, _, _ in words.record)
    checked = {name: rows[name] for name in dict.fromkeys(members.names) if name in rows}
    verdicts = {
        name: _verdict(members, name, *row) for name, row in checked.items() if name not in unsigned
    }
    differences = (
        ("is not listed", sorted(set(members.names) - set(rows) - unsigned)),
        ("is listed and not there", sorted(set(rows) - set(members.names))),
        ("is listed twice", sorted(path for path, number in listed.items() if number > 1)),
        *(
            (what, sorted(name for name, verdict in verdicts.items() if verdict == what))
            for what in dict.fromkeys(filter(None, verdicts.values()))
        ),
    )
    for what, names in differences:
        if names:
            yield Disagreement(
                code="wheel.record",
                where="RECORD",
                expected="every file with its sha256",
                found=f"{_shortened(names)} {what}",
                consequence="the wheel was changed after it was made",
            )


def _verdict(members: Members, name: str, recorded: str, size: str) -> str:
    """What is wrong with a file's row; empty where nothing is."""
    algorithm, _, expected = recorded.partition("=")
    if algorithm not in _STRONG:
        return "is listed without a sha256"
    digest = hashlib.new(algorithm)
    length = 0
    with members.open(name) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            length += len(block)
    if base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode() != expected:
        return "has another hash than listed"
    return "has another size than listed" if size and size != str(length) else ""


def _tag_names(tags: Iterable[Tag]) -> str:
    return " ".join(sorted(map(str, tags))) or "none"


def _shortened(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
