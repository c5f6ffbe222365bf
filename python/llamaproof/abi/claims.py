"""What a wheel says of itself: its file name, METADATA, WHEEL, RECORD, and its own record."""

from __future__ import annotations

import base64
import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, parse_tag
from packaging.utils import (
    InvalidWheelFilename,
    canonicalize_name,
    canonicalize_version,
    parse_wheel_filename,
)

from llamaproof import wheel_contents
from llamaproof.abi.findings import AbiFinding, defect, note
from llamaproof.target import Target

_LABEL_CUDA = re.compile(r"(?:^|[.+])cu(\d{2,3})(?:\b|$)")


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What the target promises, as far as it says anything.

    Attributes:
        file_name: of a wheel; empty for folders.
        dist_info: the folder of METADATA; None where there is none.
        name: of the distribution, from METADATA.
        version: from METADATA.
        package_version: `__version__` of the package.
        tags: from WHEEL.
        requires: Requires-Dist, without those of extras.
        contents: of llamaproof.json, which this project's wheels carry.
    """

    file_name: str
    dist_info: Path | None
    name: str
    version: str
    package_version: str
    tags: frozenset[Tag]
    requires: tuple[Requirement, ...]
    contents: dict[str, Any]

    @property
    def file_tags(self) -> frozenset[Tag]:
        """The tags of the wheel's file name; none where there is no file name to read."""
        try:
            return parse_wheel_filename(self.file_name)[3]
        except InvalidWheelFilename:
            return frozenset()

    @property
    def cuda_major(self) -> tuple[int, str] | None:
        """The CUDA major version the wheel claims, and where it does."""
        recorded = re.match(r"\d+", str(self.contents.get("cuda") or ""))
        if recorded:
            return int(recorded.group()), wheel_contents.FILE_NAME
        label = _LABEL_CUDA.search(self.version.partition("+")[2])
        if label is None:
            return None
        number = label.group(1)
        # cu130 is 13.0, cu12 is 12.
        return int(number[:2]), f"the version {self.version}"

    @property
    def cuda_arch(self) -> tuple[str, ...] | None:
        """The GPU architectures the wheel says it was built for; None where it does not say."""
        listed = self.contents.get("cuda_arch")
        return tuple(str(item) for item in listed) if isinstance(listed, list) else None


def read_claims(target: Target) -> Claims:
    """Read what there is; anything missing stays empty.

    Raises:
        BadInput: what the wheel says of its contents cannot be read.
    """
    dist_info = _dist_info(target)
    metadata = HeaderParser().parsestr(_text(dist_info, "METADATA"))
    wheel = HeaderParser().parsestr(_text(dist_info, "WHEEL"))
    tags = (parse_tag(str(line)) for line in wheel.get_all("Tag", []))
    return Claims(
        file_name=target.name if target.kind == "wheel" else "",
        dist_info=dist_info,
        name=str(metadata.get("Name", "")),
        version=str(metadata.get("Version", "")),
        package_version=target.version or "",
        tags=frozenset().union(*tags),
        requires=tuple(_requirements(metadata.get_all("Requires-Dist", []))),
        contents=wheel_contents.read_contents(target),
    )


def check_claims(claims: Claims, target: Target) -> Iterator[AbiFinding]:
    """That everything the wheel says of itself agrees, and that RECORD is true."""
    if claims.dist_info is None:
        if target.kind == "wheel":
            yield defect(
                "wheel.metadata",
                target.name,
                expected="one *.dist-info folder with METADATA",
                found="none, or several",
                consequence="pip refuses to install it",
            )
        return
    if target.kind == "wheel":
        yield from _check_file_name(claims)
        yield from _check_record(claims.dist_info)
        yield from _check_top_level(claims.dist_info)
    yield from _check_versions(claims)


def _dist_info(target: Target) -> Path | None:
    if target.package is None:
        return None
    found = [
        folder
        for folder in target.package.parent.glob("*.dist-info")
        if target.kind == "wheel" or folder.name.lower().startswith("llama_cpp_python-")
    ]
    return found[0] if len(found) == 1 else None


def _text(folder: Path | None, name: str) -> str:
    path = folder / name if folder is not None else None
    if path is None or not path.is_file():
        return ""
    return path.read_text(encoding="utf-8", errors="replace")


def _requirements(lines: Iterable[object]) -> Iterator[Requirement]:
    for line in lines:
        try:
            requirement = Requirement(str(line))
        except InvalidRequirement:
            continue
        if requirement.marker is None or "extra" not in str(requirement.marker):
            yield requirement


def _check_file_name(claims: Claims) -> Iterator[AbiFinding]:
    try:
        name, version, _, tags = parse_wheel_filename(claims.file_name)
    except InvalidWheelFilename as error:
        yield defect(
            "wheel.file-name",
            claims.file_name,
            expected="name-version-tags.whl",
            found=str(error),
            consequence="pip refuses to install it",
        )
        return
    if canonicalize_name(claims.name) != name:
        yield defect(
            "wheel.name",
            "distribution",
            expected=f"{name} in the file name",
            found=f"{claims.name or 'nothing'} in METADATA",
            consequence="pip refuses to install it, or installs it as something else",
        )
    if canonicalize_version(claims.version) != canonicalize_version(version):
        yield defect(
            "wheel.version",
            "version",
            expected=f"{version} in the file name",
            found=f"{claims.version or 'nothing'} in METADATA",
            consequence="pip refuses to install it: the two disagree",
        )
    if claims.tags != tags:
        yield defect(
            "wheel.tags",
            "tags",
            expected=f"{_tag_names(tags)} in the file name",
            found=f"{_tag_names(claims.tags)} in WHEEL",
            consequence="tools disagree about where it may be installed",
        )


def _check_versions(claims: Claims) -> Iterator[AbiFinding]:
    said = {
        "METADATA": claims.version,
        f"the folder {claims.dist_info.name if claims.dist_info else ''}": _folder_version(claims),
        "__version__ of the package": claims.package_version,
        wheel_contents.FILE_NAME: str(claims.contents.get("package_version") or ""),
    }
    expected = canonicalize_version(claims.version)
    for source, version in said.items():
        if version and canonicalize_version(version) != expected:
            yield defect(
                "wheel.version",
                "version",
                expected=f"{claims.version or 'nothing'} in METADATA",
                found=f"{version} in {source}",
                consequence="a program that asks for it gets another answer than pip gives",
            )


def _folder_version(claims: Claims) -> str:
    if claims.dist_info is None:
        return ""
    return claims.dist_info.name.removesuffix(".dist-info").partition("-")[2]


def _check_record(dist_info: Path) -> Iterator[AbiFinding]:
    root = dist_info.parent
    rows = {row[0]: row[1] for row in csv.reader(_text(dist_info, "RECORD").splitlines()) if row}
    unsigned = {f"{dist_info.name}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s")}
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    changed = sorted(
        name
        for name, path in files.items()
        if name not in unsigned and rows.get(name) and not _matches(path, rows[name])
    )
    differences = (
        ("is not listed", sorted(set(files) - set(rows) - unsigned)),
        ("is listed and not there", sorted(set(rows) - set(files))),
        ("has another hash than listed", changed),
    )
    for what, names in differences:
        if names:
            yield defect(
                "wheel.record",
                "RECORD",
                expected="every file with its sha256",
                found=f"{_shortened(names)} {what}",
                consequence="the wheel was changed after it was made",
            )


def _matches(path: Path, recorded: str) -> bool:
    algorithm, _, expected = recorded.partition("=")
    if algorithm not in hashlib.algorithms_available:
        return False
    digest = hashlib.new(algorithm, path.read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == expected


def _check_top_level(dist_info: Path) -> Iterator[AbiFinding]:
    expected = {"llama_cpp", dist_info.name}
    others = sorted({path.name for path in dist_info.parent.iterdir()} - expected)
    if others:
        yield note(
            "wheel.top-level",
            "site-packages",
            expected="llama_cpp alone",
            found=f"also {_shortened(others)}",
            consequence="files land where other packages may put theirs",
        )


def _tag_names(tags: Iterable[Tag]) -> str:
    return " ".join(sorted(map(str, tags))) or "none"


def _shortened(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
