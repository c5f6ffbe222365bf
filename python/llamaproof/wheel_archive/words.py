"""What a wheel says of itself: its file name, METADATA, WHEEL and RECORD."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, parse_tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from llamaproof.wheel_archive.members import Members


@dataclass(frozen=True, kw_only=True)
class FileName:
    """What the name of a wheel file says.

    Attributes:
        project: the normalised name.
        version: in its canonical form.
    """

    project: str
    version: str
    tags: frozenset[Tag]


@dataclass(frozen=True, kw_only=True)
class WheelWords:
    """What a wheel says of itself; what is not there is empty.

    Attributes:
        file_name: of a wheel file; empty for an unpacked one.
        dist_infos: the names of its `*.dist-info` folders: one, in a wheel that is right.
        metadata: METADATA, byte for byte.
        fields: its fields, by their names in lower case, each value as it stands.
        tags: from WHEEL.
        record: RECORD, as (path, hash, size) of each row.
    """

    file_name: str
    dist_infos: tuple[str, ...]
    metadata: bytes
    fields: Mapping[str, tuple[str, ...]]
    tags: frozenset[Tag]
    record: tuple[tuple[str, str, str], ...]

    @property
    def dist_info(self) -> str:
        """The one `*.dist-info` folder; empty where there is none, or several."""
        return self.dist_infos[0] if len(self.dist_infos) == 1 else ""

    @property
    def name(self) -> str:
        return self.field("name")

    @property
    def version(self) -> str:
        return self.field("version")

    @property
    def requires_python(self) -> str:
        return self.field("requires-python")

    def field(self, name: str) -> str:
        """The first value of a field; empty without one."""
        return next(iter(self.fields.get(name, ())), "")

    @property
    def requires(self) -> tuple[Requirement, ...]:
        """Requires-Dist, without those of extras and without what is no requirement."""
        return tuple(_requirements(self.fields.get("requires-dist", ())))

    @property
    def parsed_file_name(self) -> FileName | None:
        """What the file name says; None where it is no wheel's."""
        try:
            project, version, _, tags = parse_wheel_filename(self.file_name)
        except InvalidWheelFilename:
            return None
        return FileName(project=project, version=str(version), tags=tags)


def read_words(members: Members, file_name: str = "") -> WheelWords:
    """Read what there is.

    Args:
        file_name: of the wheel file; empty where there is none.
    """
    folders = members.dist_infos
    folder = folders[0] if len(folders) == 1 else None
    metadata = _bytes(members, folder, "METADATA")
    wheel = _headers(_bytes(members, folder, "WHEEL"))
    tags = (parse_tag(str(line)) for line in wheel.get_all("Tag", []))
    return WheelWords(
        file_name=file_name,
        dist_infos=folders,
        metadata=metadata,
        fields=_fields(_headers(metadata)),
        tags=frozenset().union(*tags),
        record=tuple(_rows(_bytes(members, folder, "RECORD"))),
    )


def _bytes(members: Members, folder: str | None, name: str) -> bytes:
    path = f"{folder}/{name}"
    return members.read(path) if folder is not None and path in members.names else b""


def _headers(data: bytes) -> Message:
    return HeaderParser().parsestr(data.decode("utf-8", errors="replace"))


def _fields(message: Message) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name, value in message.items():
        found.setdefault(name.lower(), []).append(str(value).strip())
    return {name: tuple(values) for name, values in found.items()}


def _rows(data: bytes) -> Iterator[tuple[str, str, str]]:
    for row in csv.reader(data.decode("utf-8", errors="replace").splitlines()):
        if row:
            path, digest, size = (*row, "", "")[:3]
            yield path, digest, size


def _requirements(lines: Iterable[str]) -> Iterator[Requirement]:
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or "extra" not in str(requirement.marker):
            yield requirement
