"""What a wheel of this project says is in it: `llama_cpp/llamaproof.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from llamaproof.errors import BadInput
from llamaproof.reports import document
from llamaproof.reports.document import Schema
from llamaproof.target import Target

FILE_NAME = "llamaproof.json"
SCHEMA = Schema(name="llamaproof.wheel", version=3)

# Wheels of these go on being used: what they say is read, and they say nothing of their making.
_BEFORE_MAKING = 2
_HINT = "get the wheel anew, or build it again"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Sdist:
    """The archive that a wheel was built from: file name, sha256 of its bytes, size in bytes."""

    file: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Patch:
    """One patch of the series. Wheels from before version 3 do not say its sha256."""

    name: str
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class ToolkitPackage:
    """A package that a part of the CUDA toolkit came from.

    Attributes:
        type: where its name is looked up, as package URLs say it.
        sha256: of the archive that was installed.
    """

    type: Literal["pypi", "deb"]
    name: str
    version: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Making:
    """What made a wheel, so that it can be made again.

    Attributes:
        sdist: the archive of the source.
        made_with: what each says it is: `cc`, `c++`, `ld`, `glibc`; with CUDA `nvcc`, and `c++ of
            nvcc` where CUDAHOSTCXX named another.
        locks: the sha256 of each lock file that named a part of the build, by file name.
        toolkit: the packages of the CUDA toolkit; none without CUDA or with one of CUDA_HOME.
        reproducible: true, or why another build may give other bytes.
    """

    sdist: Sdist
    made_with: Mapping[str, str]
    locks: Mapping[str, str]
    toolkit: tuple[ToolkitPackage, ...]
    reproducible: Literal[True] | str


@dataclass(frozen=True, kw_only=True)
class WheelFacts:
    """What a wheel says of itself.

    Attributes:
        tool: the version of llamaproof that built it; empty in the first wheels.
        package_version: the whole version, with its label.
        pin: the name of the pinned source.
        llama_cpp_commit: 40 hex digits.
        patches: in their order.
        tree: git's id of the patched source.
        cuda: the toolkit's release, `13.0`; None without CUDA.
        cuda_arch: as CUDA_ARCH spells each, `89` or `90-real`.
        making: None in wheels from before version 3 of the document.
    """

    tool: str
    package_version: str
    pin: str
    llama_cpp_commit: str
    patches: tuple[Patch, ...]
    tree: str
    cuda: str | None
    cuda_arch: tuple[str, ...]
    making: Making | None

    def text(self) -> str:
        """As the file of a wheel that is built now holds it."""
        members = asdict(self)
        making = members.pop("making") or {}
        sdist = making.pop("sdist", None)
        head = {"package_version": members.pop("package_version"), "pin": members.pop("pin")}
        del members["tool"]
        return document.to_text(SCHEMA.document(**head, sdist=sdist, **members, **making))


def read_contents(target: Target) -> WheelFacts | None:
    """What it says; None for a target of another's making, which has no such file.

    Raises:
        BadInput: the file is there, and is damaged or of a version that is not known here.
    """
    path = target.package / FILE_NAME if target.package is not None else None
    if path is None or not path.is_file():
        return None
    try:
        text = path.read_bytes()
    except OSError as error:
        what = f"cannot read {FILE_NAME}: {error.strerror}"
        raise BadInput(what, where=path, hint=_HINT) from error
    return parse_contents(text, where=path)


def parse_contents(text: bytes, *, where: object) -> WheelFacts:
    """The facts of a `llamaproof.json`, in any form that wheels have had.

    Raises:
        BadInput: it is damaged or of a version that is not known here.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadInput(f"{FILE_NAME} is no JSON: {error}", where=where, hint=_HINT) from error
    members: Mapping[str, Any] = found if isinstance(found, dict) else {}
    try:
        if members.get("schema") == 1 and "version" in members:
            return _before_making(members, str(members["version"]))
        if members.get("version") == _BEFORE_MAKING:
            before = Schema(name=SCHEMA.name, version=_BEFORE_MAKING)
            document.expect(members, before, where=where, hint=_HINT)
            return _before_making(members, str(members["package_version"]))
        document.expect(members, SCHEMA, where=where, hint=_HINT)
        return _facts(members)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{FILE_NAME} is damaged: {error!r}", where=where, hint=_HINT) from error


def _facts(members: Mapping[str, Any]) -> WheelFacts:
    missing = sorted({"pin", "llama_cpp_commit", "tree", "cuda", "cuda_arch"} - members.keys())
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
    making = Making(
        sdist=Sdist(**members["sdist"]),
        made_with=_words(members["made_with"]),
        locks=_words(members["locks"]),
        toolkit=tuple(ToolkitPackage(**package) for package in members["toolkit"]),
        reproducible=_reproducible(members["reproducible"]),
    )
    patches = tuple(Patch(**patch) for patch in members["patches"])
    hashes = (patch.sha256 for patch in patches), (each.sha256 for each in making.toolkit)
    for sha256 in (making.sdist.sha256, *making.locks.values(), *hashes[0], *hashes[1]):
        if not _SHA256.fullmatch(str(sha256)):
            raise ValueError(f"{sha256!r} is no sha256")
    version = str(members["package_version"])
    return _shared(members, package_version=version, patches=patches, making=making)


def _before_making(members: Mapping[str, Any], package_version: str) -> WheelFacts:
    """Of a wheel of version 2, or of the first form: `schema` a number, `version` the package's."""
    patches = tuple(Patch(name=str(name), sha256=None) for name in members.get("series", ()))
    return _shared(members, package_version=package_version, patches=patches, making=None)


def _shared(
    members: Mapping[str, Any],
    *,
    package_version: str,
    patches: tuple[Patch, ...],
    making: Making | None,
) -> WheelFacts:
    """With the members that every version has; the first wheels leave some out."""
    cuda = members.get("cuda")
    return WheelFacts(
        tool=str(members.get("tool", "")),
        package_version=package_version,
        pin=str(members.get("pin", "")),
        llama_cpp_commit=str(members.get("llama_cpp_commit", "")),
        patches=patches,
        tree=str(members.get("tree", "")),
        cuda=None if cuda is None else str(cuda),
        cuda_arch=tuple(map(str, members.get("cuda_arch", ()))),
        making=making,
    )


def _words(members: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in members.items()}


def _reproducible(value: object) -> Literal[True] | str:
    if value is True:
        return True
    if isinstance(value, str) and value:
        return value
    raise ValueError(f"`reproducible` is {value!r}, neither true nor a reason")
