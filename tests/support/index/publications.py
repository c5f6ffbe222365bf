"""A small publication, for tests of what is made from one: two variants, one wheel yanked."""

from __future__ import annotations

from llamaproof.index.model import (
    CardAnswer,
    EvidenceSummary,
    ProofSummary,
    Publication,
    PublishedFacts,
    PublishedWheel,
    Role,
    Sidecar,
    Variant,
)

_SUFFIXES: dict[Role, str] = {
    "metadata": ".metadata",
    "evidence": ".evidence.json",
    "evidence page": ".evidence.html",
    "provenance": ".provenance.json",
    "tests": ".tests.json",
    "signature": ".sig",
}


def wheel_of(variant: str, cuda: str, *, yanked: str | None = None) -> PublishedWheel:
    """A wheel whose evidence says something of two cards."""
    version = f"0.3.16+llamaproof.18.{variant.replace('-', '.')}"
    name = f"llama_cpp_python-{version}-py3-none-manylinux_2_35_x86_64.whl"
    return PublishedWheel(
        name=name,
        sha256=cuda.replace(".", "").ljust(64, "a"),
        size=123_456_789,
        project="llama-cpp-python",
        version=version,
        requires_python=">=3.8",
        variant=variant,
        published="2026-11-30T22:15:00Z",
        yanked=yanked,
        facts=PublishedFacts(
            cuda=cuda,
            cuda_arch=("89",),
            platforms=("manylinux_2_35_x86_64",),
            requires=("numpy>=1.20.0", "diskcache>=5.6.1"),
            patches=("fattn-any-gqa-ratio",),
            reproducible=True,
        ),
        evidence=EvidenceSummary(
            outcome="holds",
            tool="0.1.0",
            proofs=(
                ProofSummary(name="abi", proof_version=1, outcome="holds", words="0 defects"),
                ProofSummary(name="work", proof_version=1, outcome="left out", words="no counts"),
            ),
            against="the wheel of stock 0.3.16 for sm_89",
            required=("576/512@2-128:f16",),
            cards=(
                CardAnswer(
                    card="L40S", sm=89, numbers_proved=True, models={"GLM-4.7-Flash": "yes"}
                ),
                CardAnswer(
                    card="RTX 4090", sm=89, numbers_proved=False, models={"GLM-4.7-Flash": "CPU"}
                ),
            ),
        ),
        sidecars=tuple(
            Sidecar(role=role, name=name + suffix, sha256="b" * 64, size=1000)
            for role, suffix in _SUFFIXES.items()
        ),
    )


PUBLICATION = Publication(
    title="Patched wheels, proved",
    url="https://wheels.example/",
    variants=(
        Variant(
            name="cu130-sm89",
            title="CUDA 13, for L40S and RTX 4090",
            reason="The cards on which the fall back was met.",
            cuda_major=13,
            cards=("L40S", "RTX 4090"),
        ),
        Variant(
            name="cu120-sm89",
            title="CUDA 12, for L40S and RTX 4090",
            reason="Most drivers in use are of CUDA 12.",
            cuda_major=12,
            cards=("L40S", "RTX 4090"),
        ),
    ),
    wheels=(
        wheel_of("cu130-sm89", "13.0"),
        wheel_of("cu120-sm89", "12.4", yanked="it aborts on <T4> & others"),
    ),
)
