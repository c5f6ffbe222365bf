"""SLSA provenance v1 of a wheel: what it was built from, as far as the wheel itself says it.

Nothing here watched the build. The facts are those of `llama_cpp/llamaproof.json` in the wheel; who
signs them says that he stands by them. Of a wheel of another's making, which has no such file,
nothing is known, and the provenance says that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llamaproof.attestation.statement import Statement, Subject
from llamaproof.errors import DefectFound
from llamaproof.signing import times
from llamaproof.wheel_contents import FILE_NAME, Making, Patch, Sdist, ToolkitPackage, WheelFacts

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
# What the members below mean; docs/verify.md says it. Another derivation gets another version.
BUILD_TYPE = "urn:llamaproof:wheel-build:v1"
UNKNOWN_BUILD_TYPE = "urn:llamaproof:unknown-build:v1"
BUILDER = "urn:llamaproof:builder:said-by-the-wheel"
UNKNOWN_BUILDER = "urn:llamaproof:builder:unknown"

MEMBER = f"llama_cpp/{FILE_NAME}"
_SIGNED_ON = "llamaproof_signedOn"


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a wheel says of itself, and the bytes it says it with."""

    facts: WheelFacts
    text: bytes


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a statement says of the making of a wheel.

    Attributes:
        definition: the build definition, as SLSA names it.
        builder: the id of what built it.
    """

    definition: dict[str, Any]
    builder: str
    signed_on: datetime

    @property
    def build_type(self) -> str:
        return str(self.definition.get("buildType"))


def statement(subject: Subject, source: Source | None, signed_on: datetime) -> Statement:
    """The provenance of a wheel.

    Args:
        source: None where the wheel says nothing of its making.
    """
    details: dict[str, Any] = {
        "builder": {"id": UNKNOWN_BUILDER if source is None else BUILDER},
        "metadata": {_SIGNED_ON: times.to_text(signed_on)},
    }
    if source is not None and source.facts.tool:
        details["builder"]["version"] = {"llamaproof": source.facts.tool}
    predicate = {"buildDefinition": definition(source), "runDetails": details}
    return Statement(subject=subject, predicate_type=PREDICATE_TYPE, predicate=predicate)


def definition(source: Source | None) -> dict[str, Any]:
    """The build definition; the same facts always give the same."""
    if source is None:
        return {
            "buildType": UNKNOWN_BUILD_TYPE,
            "externalParameters": {},
            "internalParameters": {"known": f"nothing: the wheel holds no {MEMBER}"},
            "resolvedDependencies": [],
        }
    facts = source.facts
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "pin": facts.pin,
            "series": [patch.name for patch in facts.patches],
            "cuda": facts.cuda,
            "arch": list(facts.cuda_arch),
        },
        "internalParameters": {
            "said_by": {"name": MEMBER, "digest": _sha256(source.text)},
            **_internal(facts.making),
        },
        "resolvedDependencies": list(_dependencies(facts)),
    }


def read_provenance(found: Statement, *, where: object) -> Provenance:
    """What a statement of provenance says.

    Raises:
        DefectFound: it is damaged.
    """
    try:
        run = found.predicate["runDetails"]
        definition_found = found.predicate["buildDefinition"]
        if not isinstance(definition_found, dict):
            raise TypeError("its buildDefinition is no object")
        return Provenance(
            definition=definition_found,
            builder=str(run["builder"]["id"]),
            signed_on=times.parse(run["metadata"][_SIGNED_ON]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DefectFound(f"the provenance is damaged: {error!r}", where=where) from error


def _internal(making: Making | None) -> dict[str, Any]:
    if making is None:
        return {"known": "not the hashes of its sources: it is of a form that did not tell them"}
    return {"made_with": dict(making.made_with), "reproducible": making.reproducible}


def _dependencies(facts: WheelFacts) -> Iterator[dict[str, Any]]:
    """Everything that went into the build and has a digest, as SLSA's resource descriptors.

    A descriptor must have a digest or an address: what is known by name alone is none.
    """
    making = facts.making
    if making is not None:
        yield _sdist(making.sdist)
    if facts.llama_cpp_commit:
        yield {"name": "llama.cpp", "digest": {"gitCommit": facts.llama_cpp_commit}}
    yield from (_patch(patch) for patch in facts.patches if patch.sha256 is not None)
    if facts.tree:
        yield {"name": "patched source", "digest": {"gitTree": facts.tree}}
    if making is not None:
        for name, sha256 in making.locks.items():
            yield {"name": name, "digest": {"sha256": sha256}}
        yield from (_toolkit_package(package) for package in making.toolkit)


def _sdist(sdist: Sdist) -> dict[str, Any]:
    return {"name": sdist.file, "digest": {"sha256": sdist.sha256}}


def _patch(patch: Patch) -> dict[str, Any]:
    return {"name": patch.name, "digest": {"sha256": patch.sha256}}


def _toolkit_package(package: ToolkitPackage) -> dict[str, Any]:
    # A package URL of the type deb names the distribution; the toolkit's are Debian's.
    kind = "deb/debian" if package.type == "deb" else package.type
    return {
        "name": package.name,
        "uri": f"pkg:{kind}/{package.name}@{package.version}",
        "digest": {"sha256": package.sha256},
    }


def _sha256(data: bytes) -> dict[str, str]:
    return {"sha256": hashlib.sha256(data).hexdigest()}
