"""A wheel that is to be published: what it is, and every reason why it may not be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from llamaproof import wheel_contents
from llamaproof.errors import LlamaproofError
from llamaproof.files import sha256_of
from llamaproof.index.model import PublishedFacts
from llamaproof.release.dependencies import uncovered
from llamaproof.release.evidence_gate import Subject, judge_evidence
from llamaproof.release.kept_proofs import KeptProofs
from llamaproof.release.policy import AskedVariant, Policy
from llamaproof.release.refusal import Refusal
from llamaproof.release.wheel_kind import WheelKind, read_kind
from llamaproof.wheel_archive.agreement import Disagreement, disagreements
from llamaproof.wheel_archive.members import Members, members_of_wheel
from llamaproof.wheel_archive.words import WheelWords, read_words


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A wheel that may be published.

    Attributes:
        sha256: of its bytes, in hex.
        size: in bytes.
        platforms: those of the variant's promised platforms that it serves.
        evidence_sha256: of the evidence that was judged.
    """

    path: Path
    sha256: str
    size: int
    words: WheelWords
    variant: AskedVariant
    platforms: tuple[str, ...]
    facts: PublishedFacts
    proofs: KeptProofs
    evidence_sha256: str

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def project(self) -> str:
        return canonicalize_name(self.words.name)

    @property
    def release(self) -> str:
        """Its version without the label of the build: `0.3.16` of `0.3.16+x.cu130`."""
        return public_version(self.words.version)


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A wheel that was looked at: a candidate, or why it is none."""

    path: Path
    candidate: Candidate | None
    refusals: tuple[Refusal, ...]


def public_version(version: str) -> str:
    """A version without its local label; as it stands where it is none."""
    try:
        return Version(version).public
    except InvalidVersion:
        return version


def examine(wheel: Path, policy: Policy) -> Examined:
    """Hold a wheel and its evidence against the policy."""
    try:
        return _examine(wheel, policy)
    except LlamaproofError as error:
        unread = Refusal(code="wheel.unreadable", about=wheel.name, what=error.what,
                         hint=error.hint)  # fmt: skip
        return Examined(path=wheel, candidate=None, refusals=(unread,))


def _examine(wheel: Path, policy: Policy) -> Examined:
    sha256 = sha256_of(wheel)
    with members_of_wheel(wheel) as members:
        words = read_words(members, wheel.name)
        refusals = [_disagrees(found, words) for found in disagreements(words, members)]
        kind = read_kind(members)
        contents = _contents(members, wheel)
    refusals += uncovered(words, kind, policy)
    platforms = sorted({tag.platform for tag in words.tags})
    variant, why_none = _variant_of(words.file_name, kind, platforms, policy)
    if variant is None:
        return Examined(path=wheel, candidate=None, refusals=(*refusals, *why_none))
    subject = Subject(path=wheel, sha256=sha256, archs=kind.archs)
    evidence, not_enough = judge_evidence(subject, variant, policy)
    refusals += not_enough
    if refusals or evidence is None:
        return Examined(path=wheel, candidate=None, refusals=tuple(refusals))
    candidate = Candidate(
        path=wheel,
        sha256=sha256,
        size=wheel.stat().st_size,
        words=words,
        variant=variant,
        platforms=variant.platforms_of(platforms),
        facts=_facts(words, platforms, contents),
        proofs=evidence.proofs,
        evidence_sha256=evidence.sha256,
    )
    return Examined(path=wheel, candidate=candidate, refusals=())


def _disagrees(found: Disagreement, words: WheelWords) -> Refusal:
    return Refusal(
        code=found.code,
        about=words.file_name,
        what=f"{found.where}: expected {found.expected}, found {found.found}: {found.consequence}",
        hint="build it again; a wheel is never renamed or edited",
    )


def _variant_of(
    name: str, kind: WheelKind, platforms: Sequence[str], policy: Policy
) -> tuple[AskedVariant | None, Sequence[Refusal]]:
    """The one variant that a wheel is of, by its binaries and its platform tags."""
    majors = kind.cuda_majors
    if len(majors) > 1:
        what = f"its libraries need {kind.words}: two runtimes in one process"
        return None, [Refusal(code="wheel.cuda", about=name, what=what, hint="build it again")]
    major = majors[0] if majors else None
    alike = [
        variant
        for variant in policy.variants
        if variant.cuda_major.value == major and variant.archs.value == kind.archs
    ]
    for variant in alike:
        if variant.platforms_of(platforms):
            return variant, ()
    served = ", ".join(platforms) or "no platform"
    promised = ", ".join(asked.value for variant in alike for asked in variant.platforms)
    what = f"it has {kind.words}, for {served}, and the policy has no variant of that kind"
    if promised:
        what += f"; of that CUDA and code it has {promised}"
    hint = f"add a [[variant]] to {policy.path.name}, or leave the wheel out"
    return None, [Refusal(code="wheel.no-variant", about=name, what=what, hint=hint)]


def _contents(members: Members, where: Path) -> wheel_contents.WheelFacts | None:
    """What the wheel's record of its build says; None where it has none."""
    suffix = f"/{wheel_contents.FILE_NAME}"
    name = next((n for n in members.names if n.endswith(suffix) and n.count("/") == 1), None)
    if name is None:
        return None
    return wheel_contents.parse_contents(members.read(name), where=where)


def _facts(
    words: WheelWords, platforms: Sequence[str], contents: wheel_contents.WheelFacts | None
) -> PublishedFacts:
    making = None if contents is None else contents.making
    return PublishedFacts(
        cuda="" if contents is None else contents.cuda or "",
        cuda_arch=() if contents is None else contents.cuda_arch,
        platforms=tuple(platforms),
        requires=words.fields.get("requires-dist", ()),
        patches=() if contents is None else tuple(patch.name for patch in contents.patches),
        reproducible=None if making is None else making.reproducible is True,
    )
