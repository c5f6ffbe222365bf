"""The SBOM of a wheel: CycloneDX 1.6, the same bytes each time (PEP 770)."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import (
    Commit,
    Component,
    ComponentScope,
    ComponentType,
    Diff,
    Patch,
    PatchClassification,
    Pedigree,
)
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from build_tools.materials.licences import licence_expression
from build_tools.materials.part import Part
from llamaproof.errors import LlamaproofError
from llamaproof.wheel_contents import WheelFacts

FILE_NAME = "llama_cpp_python.cdx.json"

_SERIALS = uuid.uuid5(uuid.NAMESPACE_URL, "llamaproof.sbom")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def sbom_of(facts: WheelFacts, parts: Sequence[Part], libraries: Mapping[str, str]) -> str:
    """The document.

    Args:
        facts: what the wheel says of itself.
        parts: all that it is made of.
        libraries: SHA-256 of each ELF file of the wheel, by its path in the wheel.

    Raises:
        LlamaproofError: no part accounts for one of these files.
    """
    owners = {path: _owner(path, parts) for path in libraries}
    components = [
        _component(part, facts, {p: libraries[p] for p in libraries if owners[p] is part})
        for part in parts
    ]
    wheel = _wheel_component(facts, parts)
    inside = [c for c, part in zip(components, parts, strict=True) if part.use == "inside"]
    bom = Bom(components=components, metadata=BomMetaData(component=wheel))
    bom.dependencies.add(
        Dependency(wheel.bom_ref, dependencies=(Dependency(c.bom_ref) for c in inside))
    )
    return _in_fixed_words(JsonV1Dot6(bom).output_as_string())


def libraries_of(sbom: str) -> dict[str, str]:
    """SHA-256 by path of the files that an SBOM names as in the wheel."""
    found: dict[str, str] = {}
    for component in json.loads(sbom)["components"]:
        for inner in component.get("components", ()):
            if inner["type"] == "file" and inner["name"].startswith("llama_cpp/"):
                found[inner["name"]] = inner["hashes"][0]["content"]
    return found


def _owner(path: str, parts: Iterable[Part]) -> Part:
    for part in parts:
        if part.libraries is not None and re.fullmatch(part.libraries, path):
            return part
    raise LlamaproofError(
        f"the wheel holds {path}, and no part of it accounts for this library",
        hint="say where it is from (build_tools/materials), or leave it out",
    )


def _wheel_component(facts: WheelFacts, parts: Sequence[Part]) -> Component:
    making = facts.making
    said = {
        "patched-tree": facts.tree,
        "cuda": facts.cuda or "none",
        "cuda-arch": ";".join(facts.cuda_arch) or "none",
        **({f"made-with:{k}": v for k, v in making.made_with.items()} if making else {}),
        **({f"lock:{k}": v for k, v in making.locks.items()} if making else {}),
    }
    purl = PackageURL("pypi", name="llama-cpp-python", version=facts.package_version)
    return Component(
        name="llama-cpp-python",
        version=facts.package_version,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        licenses=(LicenseExpression(licence_expression(parts)),),
        properties=_properties(said),
    )


def _component(part: Part, facts: WheelFacts, files: Mapping[str, str]) -> Component:
    inner = [_file(path, sha256) for path, sha256 in files.items()]
    inner += [
        _file(f"patches/{facts.pin}/{patch.name}", patch.sha256 or "", of=part.name)
        for patch in part.patches
    ]
    return Component(
        name=part.name,
        version=part.version or None,
        type=ComponentType.LIBRARY,
        bom_ref=part.ref,
        description=part.description,
        scope=ComponentScope.REQUIRED if part.use == "inside" else ComponentScope.EXCLUDED,
        hashes=() if part.sha256 is None else (_sha256(part.sha256),),
        licenses=(LicenseExpression(part.licence),),
        purl=PackageURL.from_string(part.purl) if part.purl else None,
        cpe=part.cpe or None,
        pedigree=_pedigree(part, facts),
        components=inner,
        properties=_properties({"use": part.use}),
    )


def _pedigree(part: Part, facts: WheelFacts) -> Pedigree | None:
    """From which commit it comes, and what was changed of it."""
    commit = (Commit(uid=part.version),) if _COMMIT.fullmatch(part.version) else ()
    if not commit and not part.patches:
        return None
    return Pedigree(
        commits=commit,
        patches=(
            Patch(
                type=PatchClassification.UNOFFICIAL,
                diff=Diff(url=XsUri(f"patches/{facts.pin}/{patch.name}")),
            )
            for patch in part.patches
        ),
        notes="\n".join(f"{patch.name} sha256:{patch.sha256}" for patch in part.patches) or None,
    )


def _file(path: str, sha256: str, *, of: str = "") -> Component:
    ref = f"{of}:{path}" if of else path
    return Component(
        name=path, type=ComponentType.FILE, bom_ref=f"file:{ref}", hashes=(_sha256(sha256),)
    )


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _properties(said: Mapping[str, str]) -> tuple[Property, ...]:
    return tuple(Property(name=f"llamaproof:{name}", value=value) for name, value in said.items())


def _in_fixed_words(text: str) -> str:
    """Without the time of day; with a serial number that is a hash of all the rest."""
    document: dict[str, Any] = json.loads(text)
    del document["metadata"]["timestamp"], document["serialNumber"]
    plain = json.dumps(document, sort_keys=True, ensure_ascii=False)
    document["serialNumber"] = uuid.uuid5(_SERIALS, plain).urn
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
