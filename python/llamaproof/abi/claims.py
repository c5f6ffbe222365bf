"""What a wheel says of itself, in its archive and in its own record, held against each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_version

from llamaproof import wheel_contents
from llamaproof.abi.findings import AbiFinding, defect, note
from llamaproof.target import Target
from llamaproof.wheel_archive.agreement import (
    Disagreement,
    disagreements,
    folder_disagreements,
)
from llamaproof.wheel_archive.members import NO_MEMBERS, Members, members_of_folder
from llamaproof.wheel_archive.words import WheelWords, read_words
from llamaproof.wheel_contents import WheelFacts

_LABEL_CUDA = re.compile(r"(?:^|[.+])cu(\d{2,3})(?:\b|$)")


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What the target promises, as far as it says anything.

    Attributes:
        words: of its `*.dist-info` folder, and its file name.
        dist_info: that folder; None where there is none, or several.
        package_version: `__version__` of the package.
        contents: what a wheel of this project says of itself; None for one of another's making.
    """

    words: WheelWords
    dist_info: Path | None
    package_version: str
    contents: WheelFacts | None

    @property
    def version(self) -> str:
        """Of the distribution, from METADATA."""
        return self.words.version

    @property
    def tags(self) -> frozenset[Tag]:
        """From WHEEL."""
        return self.words.tags

    @property
    def requires(self) -> tuple[Requirement, ...]:
        """Requires-Dist, without those of extras."""
        return self.words.requires

    @property
    def file_tags(self) -> frozenset[Tag]:
        """The tags of the wheel's file name; none where there is no file name to read."""
        said = self.words.parsed_file_name
        return said.tags if said is not None else frozenset()

    @property
    def cuda_major(self) -> tuple[int, str] | None:
        """The CUDA major version the wheel claims, and where it does."""
        recorded = self.contents.cuda if self.contents is not None else None
        if recorded is not None and (major := re.match(r"\d+", recorded)):
            return int(major.group()), wheel_contents.FILE_NAME
        label = _LABEL_CUDA.search(self.version.partition("+")[2])
        if label is None:
            return None
        number = label.group(1)
        # cu130 is 13.0, cu12 is 12.
        return int(number[:2]), f"the version {self.version}"

    @property
    def cuda_arch(self) -> tuple[str, ...] | None:
        """The GPU architectures the wheel says it was built for; None where it does not say."""
        return self.contents.cuda_arch if self.contents is not None else None


def read_claims(target: Target) -> Claims:
    """Read what there is; anything missing stays empty.

    Raises:
        BadInput: what the wheel says of its contents cannot be read.
    """
    dist_info = _dist_info(target)
    return Claims(
        words=read_words(_members(target, dist_info), _file_name(target)),
        dist_info=dist_info,
        package_version=target.version or "",
        contents=wheel_contents.read_contents(target),
    )


def making_facts(claims: Claims) -> dict[str, Any]:
    """What the wheel says of its compilers; nothing for one that says nothing of its making."""
    making = claims.contents.making if claims.contents is not None else None
    if making is None:
        return {}
    return {"made_with": dict(making.made_with), "reproducible": making.reproducible}


def check_claims(claims: Claims, target: Target) -> Iterator[AbiFinding]:
    """That everything the wheel says of itself agrees, and that RECORD is true."""
    if target.kind == "wheel":
        members = _members(target, claims.dist_info)
        yield from map(_as_defect, disagreements(claims.words, members))
    elif claims.dist_info is not None:
        yield from map(_as_defect, folder_disagreements(claims.words))
    if claims.dist_info is not None:
        if target.kind == "wheel":
            yield from _check_top_level(claims.dist_info)
        yield from _check_versions(claims)


def _as_defect(found: Disagreement) -> AbiFinding:
    return defect(
        found.code,
        found.where,
        expected=found.expected,
        found=found.found,
        consequence=found.consequence,
    )


def _file_name(target: Target) -> str:
    return target.name if target.kind == "wheel" else ""


def _members(target: Target, dist_info: Path | None) -> Members:
    """Those of a wheel; of an installed package only its own `*.dist-info` folder."""
    if target.kind == "wheel" and target.package is not None:
        return members_of_folder(target.package.parent)
    return NO_MEMBERS if dist_info is None else members_of_folder(dist_info.parent, dist_info.name)


def _dist_info(target: Target) -> Path | None:
    if target.package is None:
        return None
    found = [
        folder
        for folder in target.package.parent.glob("*.dist-info")
        if target.kind == "wheel" or folder.name.lower().startswith("llama_cpp_python-")
    ]
    return found[0] if len(found) == 1 else None


def _check_versions(claims: Claims) -> Iterator[AbiFinding]:
    said = {
        "__version__ of the package": claims.package_version,
        wheel_contents.FILE_NAME: claims.contents.package_version if claims.contents else "",
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


def _shortened(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
