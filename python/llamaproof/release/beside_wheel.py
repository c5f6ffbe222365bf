"""What lies beside a wheel: the role of each file, and the end of its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from llamaproof import kept_evidence
from llamaproof.attestation import sidecars
from llamaproof.files import sha256_of
from llamaproof.index.model import Role, Sidecar

# Those that a maker of wheels brings.
BROUGHT: Mapping[Role, str] = {
    "evidence": kept_evidence.DATA_SUFFIX,
    "evidence page": kept_evidence.PAGE_SUFFIX,
    "benchmark": ".bench.json",
}
# Those that signing makes.
SIGNED: Mapping[Role, str] = {
    "provenance": sidecars.PROVENANCE_SUFFIX,
    "tests": sidecars.TESTS_SUFFIX,
    "signature": sidecars.SIGNATURE_SUFFIX,
    "sigstore": sidecars.SIGSTORE_SUFFIX,
}
_SUFFIXES: Mapping[Role, str] = {"metadata": sidecars.METADATA_SUFFIX, **BROUGHT, **SIGNED}


def name_beside(wheel: str, role: Role) -> str:
    """The name of a file beside a wheel."""
    return wheel + _SUFFIXES[role]


def lying_beside(wheel: Path) -> Iterator[Sidecar]:
    """Each file that lies beside a wheel."""
    for role in _SUFFIXES:
        path = wheel.with_name(name_beside(wheel.name, role))
        if path.is_file():
            yield Sidecar(
                role=role, name=path.name, sha256=sha256_of(path), size=path.stat().st_size
            )
