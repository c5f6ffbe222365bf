"""What is published: variants, their wheels, and what lies beside each wheel.

A publication is all that the pages of an index are made from. It is kept in the index itself
(`publication.json`), so that the next release starts from what was published before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from llamaproof.reports import document
from llamaproof.reports.document import Schema

SCHEMA = Schema(name="llamaproof.publication", version=1)

# What a file beside a wheel is.
Role = Literal[
    "metadata",
    "evidence",
    "evidence page",
    "benchmark",
    "provenance",
    "tests",
    "signature",
    "sigstore",
]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """A file that lies beside a wheel in `files/`.

    Attributes:
        name: of the file: the wheel's name, and a suffix.
        sha256: of its bytes, in hex.
        size: in bytes.
    """

    role: Role
    name: str
    sha256: str
    size: int

    def json(self) -> dict[str, Any]:
        return {"role": self.role, "name": self.name, "sha256": self.sha256, "size": self.size}


@dataclass(frozen=True, kw_only=True)
class ProofSummary:
    """One proof of a wheel, as its evidence tells it.

    Attributes:
        name: `abi`, `dispatch`, `numbers` or `work`.
        proof_version: how much that proof could find when it was made; raised with each new check.
        outcome: `holds`, or in what it was not made (`left out`, `nothing to prove`).
        words: what it says, in one line.
    """

    name: str
    proof_version: int
    outcome: str
    words: str

    def json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "proof_version": self.proof_version,
            "outcome": self.outcome,
            "words": self.words,
        }


@dataclass(frozen=True, kw_only=True)
class CardAnswer:
    """What a wheel's evidence says of one card.

    Attributes:
        card: its short name, `L40S`.
        sm: 89 is compute capability 8.9.
        numbers_proved: whether the wheel's kernels were executed as this card runs them.
        models: for each familiar model where its attention runs: `yes` (on the GPU), `CPU`,
            `aborts` or `not examined`.
    """

    card: str
    sm: int
    numbers_proved: bool
    models: Mapping[str, str]

    def json(self) -> dict[str, Any]:
        return {
            "card": self.card,
            "sm": self.sm,
            "numbers_proved": self.numbers_proved,
            "models": dict(self.models),
        }


@dataclass(frozen=True, kw_only=True)
class EvidenceSummary:
    """What was proved of a wheel and what was not; the whole is the sidecar `evidence`.

    Attributes:
        outcome: of all proofs together.
        tool: the version of llamaproof that made it.
        against: what no cell may be worse than, in words; empty where nothing was compared.
        required: the cells that must run on the GPU, as the evidence writes them.
        cards: what it says of each card that was examined.
    """

    outcome: str
    tool: str
    proofs: tuple[ProofSummary, ...]
    against: str
    required: tuple[str, ...]
    cards: tuple[CardAnswer, ...]

    def json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "tool": self.tool,
            "proofs": [proof.json() for proof in self.proofs],
            "against": self.against,
            "required": list(self.required),
            "cards": [card.json() for card in self.cards],
        }


@dataclass(frozen=True, kw_only=True)
class PublishedFacts:
    """What a wheel says of itself, as far as it says anything.

    Attributes:
        cuda: the version of CUDA it was built with, such as `13.0`; empty for none.
        cuda_arch: what it was built for, as CMake writes it: `89-real`, `90`.
        platforms: platform tags.
        requires: Requires-Dist, as METADATA writes it.
        patches: names of the patches in it.
        reproducible: whether it says that a second build gives the same bytes; None where it does
            not say.
    """

    cuda: str
    cuda_arch: tuple[str, ...]
    platforms: tuple[str, ...]
    requires: tuple[str, ...]
    patches: tuple[str, ...]
    reproducible: bool | None

    def json(self) -> dict[str, Any]:
        return {
            "cuda": self.cuda,
            "cuda_arch": list(self.cuda_arch),
            "platforms": list(self.platforms),
            "requires": list(self.requires),
            "patches": list(self.patches),
            "reproducible": self.reproducible,
        }


@dataclass(frozen=True, kw_only=True)
class PublishedWheel:
    """A wheel of the index.

    Attributes:
        name: its file name.
        sha256: of its bytes, in hex.
        size: in bytes.
        project: the normalised name of the distribution.
        version: as its METADATA writes it.
        requires_python: as its METADATA writes it; empty for any.
        variant: the name of the variant it belongs to.
        published: when it was first published, UTC: `2026-11-30T22:15:00Z`.
        yanked: the reason why it is not to be taken any more; None where it may be taken.
        sidecars: what lies beside it, `metadata` among them.
    """

    name: str
    sha256: str
    size: int
    project: str
    version: str
    requires_python: str
    variant: str
    published: str
    yanked: str | None
    facts: PublishedFacts
    evidence: EvidenceSummary
    sidecars: tuple[Sidecar, ...]

    def sidecar(self, role: Role) -> Sidecar | None:
        """The file of this role beside it; None where there is none."""
        return next((one for one in self.sidecars if one.role == role), None)

    def json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "sha256": self.sha256,
            "size": self.size,
            "project": self.project,
            "version": self.version,
            "requires_python": self.requires_python,
            "variant": self.variant,
            "published": self.published,
            "yanked": self.yanked,
            "facts": self.facts.json(),
            "evidence": self.evidence.json(),
            "sidecars": [one.json() for one in self.sidecars],
        }


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One kind of wheel, with an index of its own that never serves another kind.

    Attributes:
        name: a part of a URL, such as `cu130-sm89`.
        title: for people.
        reason: whom it is for.
        cuda_major: the CUDA its driver must have at least; None for the CPU.
        cards: short names of the cards that it must serve, from the policy.
    """

    name: str
    title: str
    reason: str
    cuda_major: int | None
    cards: tuple[str, ...]

    def json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "reason": self.reason,
            "cuda_major": self.cuda_major,
            "cards": list(self.cards),
        }


@dataclass(frozen=True, kw_only=True)
class Publication:
    """All that an index serves.

    Attributes:
        title: of the index, for people.
        url: where it will be reached, ending in a slash; empty where the policy does not say.
        wheels: by file name, in order.
    """

    title: str
    url: str
    variants: tuple[Variant, ...]
    wheels: tuple[PublishedWheel, ...]

    @property
    def projects(self) -> tuple[str, ...]:
        """Normalised names, each once, in order."""
        return tuple(sorted({wheel.project for wheel in self.wheels}))

    def of_variant(self, name: str) -> tuple[PublishedWheel, ...]:
        """The wheels of one variant; of all of them where the name is empty."""
        return tuple(wheel for wheel in self.wheels if not name or wheel.variant == name)

    def of_project(self, project: str, variant: str = "") -> tuple[PublishedWheel, ...]:
        """The wheels of a project, within one variant or in all."""
        return tuple(wheel for wheel in self.of_variant(variant) if wheel.project == project)

    def json(self) -> dict[str, Any]:
        """The versioned document."""
        return SCHEMA.document(
            title=self.title,
            url=self.url,
            variants=[variant.json() for variant in self.variants],
            wheels=[wheel.json() for wheel in self.wheels],
        )


def read_publication(path: Path) -> Publication:
    """What an index says that it serves.

    Raises:
        BadInput: it cannot be read, or is of another version, or damaged.
    """
    return document.read(path, SCHEMA, _publication, hint="publish the index anew")


def _publication(found: Mapping[str, Any]) -> Publication:
    return Publication(
        title=str(found["title"]),
        url=str(found["url"]),
        variants=tuple(_variant(one) for one in found["variants"]),
        wheels=tuple(_wheel(one) for one in found["wheels"]),
    )


def _variant(found: Mapping[str, Any]) -> Variant:
    major = found["cuda_major"]
    return Variant(
        name=str(found["name"]),
        title=str(found["title"]),
        reason=str(found["reason"]),
        cuda_major=None if major is None else int(major),
        cards=_texts(found["cards"]),
    )


def _wheel(found: Mapping[str, Any]) -> PublishedWheel:
    yanked = found["yanked"]
    return PublishedWheel(
        name=str(found["name"]),
        sha256=str(found["sha256"]),
        size=int(found["size"]),
        project=str(found["project"]),
        version=str(found["version"]),
        requires_python=str(found["requires_python"]),
        variant=str(found["variant"]),
        published=str(found["published"]),
        yanked=None if yanked is None else str(yanked),
        facts=_facts(found["facts"]),
        evidence=_evidence(found["evidence"]),
        sidecars=tuple(_sidecars(found["sidecars"])),
    )


def _facts(found: Mapping[str, Any]) -> PublishedFacts:
    reproducible = found["reproducible"]
    return PublishedFacts(
        cuda=str(found["cuda"]),
        cuda_arch=_texts(found["cuda_arch"]),
        platforms=_texts(found["platforms"]),
        requires=_texts(found["requires"]),
        patches=_texts(found["patches"]),
        reproducible=None if reproducible is None else bool(reproducible),
    )


def _evidence(found: Mapping[str, Any]) -> EvidenceSummary:
    return EvidenceSummary(
        outcome=str(found["outcome"]),
        tool=str(found["tool"]),
        proofs=tuple(
            ProofSummary(
                name=str(proof["name"]),
                proof_version=int(proof["proof_version"]),
                outcome=str(proof["outcome"]),
                words=str(proof["words"]),
            )
            for proof in found["proofs"]
        ),
        against=str(found["against"]),
        required=_texts(found["required"]),
        cards=tuple(
            CardAnswer(
                card=str(card["card"]),
                sm=int(card["sm"]),
                numbers_proved=bool(card["numbers_proved"]),
                models={str(name): str(text) for name, text in card["models"].items()},
            )
            for card in found["cards"]
        ),
    )


def _sidecars(found: Sequence[Mapping[str, Any]]) -> Iterator[Sidecar]:
    for one in found:
        role = one["role"]
        if role not in ROLES:
            raise ValueError(f"no file beside a wheel is called {role!r}")
        yield Sidecar(
            role=role, name=str(one["name"]), sha256=str(one["sha256"]), size=int(one["size"])
        )


def _texts(found: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(one) for one in found)
